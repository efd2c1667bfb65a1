"""What is, and what is not, an aggregate function. Prevents definitions that fail, or give nonsense, at the call."""

import tap
from sessions import MAX, MIN, NAME, SessionTest

UDAF = 'from pyudf import udaf, udf, AggregateFunction\n'


def cls(**methods):
    """A class A with these bodies of methods; 'x' in a name's value: parameters."""
    lines = {'step': '(self, x): self.n = x', 'finalize': '(self): return 1', **methods}
    return 'class A:\n' + ''.join(f'    def {name}{rest}\n' for name, rest in lines.items() if rest)


class Aggregates(SessionTest):
    def test_classes_that_are_almost_one(self):
        refused = self.refused
        refused('has step.. but no finalize', self.source, cls(finalize=''))
        refused('has finalize.. but no step', self.source, cls(step=''))
        refused('accumulate.. but no create_accumulator.. and no get_value', self.source,
                'class A:\n def accumulate(self, acc, x): 0')
        refused('begin its name with _', self.source, 'def f(x): return x\n' + cls(finalize=''))
        self.assertEqual(self.source('def f(x): return x\nclass Other:\n def run(self): 0')[0][NAME], 'f')

    def raises(self, pattern, source):
        with self.assertRaisesRegex(TypeError, pattern):
            self.source(UDAF + source)

    def test_decorators_on_the_wrong_thing(self):
        self.raises('udaf: class A has step.. but no finalize', '@udaf\n' + cls(finalize=''))
        self.raises('udaf: class A has neither step.. and finalize', '@udaf\nclass A: pass')
        self.raises('udf: class A has step.. and finalize.*for udaf', '@udf\n' + cls())
        self.raises('udaf: class A has create_accumulator.. and accumulate.. but no get_value',
                    '@udaf\nclass A(AggregateFunction):\n def create_accumulator(self): return []\n'
                    ' def accumulate(self, acc, x): 0')
        self.raises('udaf: a function, a class .* expected, not an object of type A',
                    cls() + 'f = udaf(A())')
        self.assertEqual(self.source(UDAF + 'import collections\n'
                                     'f = udaf(collections.Counter)')[0][NAME], 'f')

    def test_what_nobody_would_run(self):
        for method, rest in (('step', '(self, x): yield x'), ('finalize', '(self): yield 1'),
                             ('inverse', '(self, x): yield x')):
            self.refused(f"'A' cannot be .*its {method}.. is a generator", self.source,
                         cls(**{method: rest}))
        source = cls().replace('def step', 'async def step')
        self.refused("its step.. is async", self.source, source)
        self.refused("'f' cannot be .*it is a generator", self.source,
                     UDAF + '@udaf\ndef f(x): yield x')
        self.refused("'f' cannot be .*it is async", self.source,
                     UDAF + '@udaf\nasync def f(x): 0')
        self.refused("its accumulate.. is async", self.source, UDAF + (
            'class _A(AggregateFunction):\n def create_accumulator(self): return []\n'
            ' async def accumulate(self, acc, x): 0\n def get_value(self, acc): 0\nf = udaf(_A())'))

    def test_parameters_of_methods(self):
        for method, rest, called in (
                ('step', '(): 0', 'self and the arguments'), ('finalize', '(): 0', 'self'),
                ('finalize', '(self, x): 0', 'self'), ('value', '(self, x): 0', 'self'),
                ('__init__', '(self, k): 0', 'self'), ('merge', '(self): 0', 'self and a list')):
            with self.subTest(method + rest):
                self.refused(rf"its {method}\(.*\) is called with {called}$", self.source,
                             cls(**{method: rest}))
        for rest in '(self, x, y=1): 0', '(self, *a): 0', '(self): 0':
            self.source(cls(step=rest, __init__='(self, k=1): self.n = k', finalize='(self, *a): 0'))

    def test_number_of_arguments(self):
        for source, least, most in (
                (cls(), 1, 1), (cls(step='(self, x, y=0): 0'), 1, 2), (cls(step='(self, *x): 0'), 0, -1),
                (cls().replace('def step(self', '@classmethod\n    def step(cls'), 1, 1),
                (cls().replace('def step(self, x): self.n = x', '@staticmethod\n    def step(x): 0'), 1, 1),
                (UDAF + '@udaf\ndef f(rows): 0', 1, 1), (UDAF + '@udaf\ndef f(a, b): 0', 2, 2)):
            with self.subTest(source):
                row = self.source(source)[0]
                self.assertEqual((row[MIN], row[MAX]), (least, most))

    def test_func_type(self):
        self.refused("'A' has func_type='numpy', which is for functions of the whole group",
                     self.source, UDAF + '@udaf(func_type="numpy")\n' + cls())

    def test_pyflinks_arguments(self):
        self.assertEqual(self.source(UDAF + (
            'class _A(AggregateFunction):\n def create_accumulator(self): return []\n'
            ' def accumulate(self, acc, x): 0\n def get_value(self, acc): 0\n'
            'f = udaf(_A(), result_type="INT", accumulator_type="ROW", func_type="general")'))[0][NAME], 'f')


if __name__ == '__main__':
    tap.main()
