"""SQL types, as a function's declaration names them.

They are what the function says of itself: SQLite's values carry their own
types, and a value is converted by what it is (see the table of values in the
documentation). The two that change how an *argument* arrives are BOOLEAN, which
makes an INTEGER a bool, and ARRAY, MAP and ROW, which parse TEXT as JSON.
"""

from ._errors import UsageError

_BOOLEAN = ('BOOLEAN', 'BOOL')
_JSON = ('ARRAY', 'MAP', 'MULTISET', 'ROW', 'JSON')
_WORDS = frozenset(_BOOLEAN + _JSON + (
    'NULL', 'TINYINT', 'SMALLINT', 'INT', 'INTEGER', 'BIGINT', 'FLOAT', 'REAL',
    'DOUBLE', 'DECIMAL', 'DEC', 'NUMERIC', 'CHAR', 'VARCHAR', 'STRING', 'TEXT',
    'BINARY', 'VARBINARY', 'BYTES', 'BLOB', 'DATE', 'TIME', 'TIMESTAMP',
    'TIMESTAMP_LTZ', 'INTERVAL', 'ANY'))


class DataType:
    """One SQL type. `str()` of it is its SQL text."""

    __slots__ = ('_text',)

    def __init__(self, text):
        self._text = text

    def __str__(self):
        return self._text

    def __repr__(self):
        return 'DataType(%r)' % self._text

    def __eq__(self, other):
        if not isinstance(other, DataType):
            return NotImplemented
        return self._text == other._text

    def __hash__(self):
        return hash(self._text)

    def nullable(self):
        """The same type, NULL allowed."""
        return DataType(self._text.removesuffix(' NOT NULL'))

    def not_null(self):
        """The same type, NULL not allowed."""
        return DataType(self.nullable()._text + ' NOT NULL')


def type_text(value, what):
    """The SQL text of a declared type.

    value: a DataType, or the text of an SQL type such as 'BIGINT'.
    what: how to call it in an error.
    Raises TypeError for anything else, ValueError for a text that names no type.
    """
    if isinstance(value, DataType):
        return str(value)
    if not isinstance(value, str):
        raise TypeError(f'{what} must be a DataType or the name of an SQL type, '
                        f'not {type(value).__name__}')
    text = ' '.join(value.split())
    if word(text) not in _WORDS:
        raise ValueError(f'{what}: {value!r} is no SQL type')
    return text


def is_boolean(text):
    """True where the SQL type is BOOLEAN."""
    return word(text) in _BOOLEAN


def is_json(text):
    """True where values of the SQL type travel as JSON text."""
    return word(text) in _JSON


def row_fields(text, what):
    """[(name, SQL type)] of a declared ROW<name TYPE, ...>; [] for any other type.

    what: whose type it is, for errors.
    Raises UsageError for one that is not written so.
    """
    if not text or word(text) != 'ROW':
        return []
    text = text.removesuffix(' NOT NULL').strip()
    inner = text[3:].strip()
    if inner[:1] + inner[-1:] not in ('<>', '()'):
        raise UsageError(f'{what}: {text!r} is not written ROW<name TYPE, ...>')
    fields = []
    for field in split_types(inner[1:-1]):
        name, _, kind = field.strip().partition(' ')
        name = name.strip('`')
        if not name or word(kind.strip()) not in _WORDS:
            raise UsageError(f'{what}: {field.strip()!r} in {text!r} is not a name '
                             'and an SQL type')
        fields.append((name, kind.strip()))
    names = [name for name, _ in fields]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f'{what}: {text!r} has two fields {name!r}')
    return fields


def split_types(text):
    """'a INT, b ROW<c INT, d INT>' at its commas that are in no brackets."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in '<(') - (c in '>)')
        if c == ',' and not depth:
            parts.append(text[start:i])
            start = i + 1
    return parts + [text[start:]] if text.strip() else []


def word(text):
    """The first word of an SQL type, in capitals."""
    for i, c in enumerate(text):
        if not (c.isalnum() or c == '_'):
            return text[:i].upper()
    return text.upper()


# The rules that SQLite has for names of types would take STRING for a number.
_SQLITE = {
    'INTEGER': _BOOLEAN + ('TINYINT', 'SMALLINT', 'INT', 'INTEGER', 'BIGINT'),
    'REAL': ('FLOAT', 'REAL', 'DOUBLE'),
    'TEXT': ('DECIMAL', 'DEC', 'CHAR', 'VARCHAR', 'STRING', 'TEXT', 'DATE', 'TIME',
             'TIMESTAMP', 'TIMESTAMP_LTZ'),
    'BLOB': ('BINARY', 'VARBINARY', 'BYTES', 'BLOB'),
    'NUMERIC': ('NUMERIC',),
}


def sqlite_type(text):
    """The type that a column of an SQL type has in SQLite; '' for one that may
    hold anything."""
    first = word(text)
    return next((name for name, words in _SQLITE.items() if first in words), '')


def _plain(text, doc):
    def make(nullable=True):
        return DataType(text if nullable else text + ' NOT NULL')
    make.__doc__ = doc
    make.__name__ = text
    return staticmethod(make)


class DataTypes:
    """Makers of SQL types: `DataTypes.BIGINT()`, `DataTypes.ARRAY(...)`, ..."""

    NULL = _plain('NULL', 'Nothing but NULL.')
    BOOLEAN = _plain('BOOLEAN', 'INTEGER 0 or 1; arrives as bool.')
    TINYINT = _plain('TINYINT', 'An int.')
    SMALLINT = _plain('SMALLINT', 'An int.')
    INT = _plain('INT', 'An int.')
    BIGINT = _plain('BIGINT', 'An int of 64 bits.')
    FLOAT = _plain('FLOAT', 'A float.')
    DOUBLE = _plain('DOUBLE', 'A float.')
    STRING = _plain('STRING', 'A str.')
    BYTES = _plain('BYTES', 'Bytes.')
    DATE = _plain('DATE', 'TEXT such as 2024-02-29.')

    @staticmethod
    def CHAR(length, nullable=True):
        """A str of so many characters."""
        return DataType(f'CHAR({int(length)})' + _not_null(nullable))

    @staticmethod
    def VARCHAR(length, nullable=True):
        """A str of at most so many characters."""
        return DataType(f'VARCHAR({int(length)})' + _not_null(nullable))

    @staticmethod
    def BINARY(length, nullable=True):
        """So many bytes."""
        return DataType(f'BINARY({int(length)})' + _not_null(nullable))

    @staticmethod
    def VARBINARY(length, nullable=True):
        """At most so many bytes."""
        return DataType(f'VARBINARY({int(length)})' + _not_null(nullable))

    @staticmethod
    def DECIMAL(precision, scale, nullable=True):
        """A decimal number as TEXT."""
        return DataType(f'DECIMAL({int(precision)}, {int(scale)})'
                        + _not_null(nullable))

    @staticmethod
    def TIME(precision=0, nullable=True):
        """TEXT such as 12:30:00."""
        return DataType(f'TIME({int(precision)})' + _not_null(nullable))

    @staticmethod
    def TIMESTAMP(precision=6, nullable=True):
        """TEXT such as 2024-02-29 12:30:00."""
        return DataType(f'TIMESTAMP({int(precision)})' + _not_null(nullable))

    @staticmethod
    def ARRAY(element_type, nullable=True):
        """A JSON array; arrives as list."""
        return DataType(f'ARRAY<{type_text(element_type, "element_type")}>'
                        + _not_null(nullable))

    @staticmethod
    def MAP(key_type, value_type, nullable=True):
        """A JSON object; arrives as dict."""
        return DataType(f'MAP<{type_text(key_type, "key_type")}, '
                        f'{type_text(value_type, "value_type")}>'
                        + _not_null(nullable))

    @staticmethod
    def ROW(fields=(), nullable=True):
        """A JSON object or array; fields are made by FIELD()."""
        inner = ', '.join(f'{name} {text}' for name, text in fields)
        return DataType(f'ROW<{inner}>' + _not_null(nullable))

    @staticmethod
    def FIELD(name, data_type):
        """A field of a ROW."""
        return str(name), type_text(data_type, 'data_type')


def _not_null(nullable):
    return '' if nullable else ' NOT NULL'
