-- local_time.sql: time zones, which SQLite lacks. Times are UTC as SQLite writes them, or end in an offset.
--
--   SELECT local_time('2024-07-01 12:00', 'Europe/Berlin');           --> 2024-07-01 14:00:00
--   SELECT local_time('2024-01-01 12:00', 'Asia/Kathmandu');          --> 2024-01-01 17:45:00
--   SELECT utc_time('2024-07-01 14:00', 'Europe/Berlin');             --> 2024-07-01 12:00:00
--   SELECT utc_offset('2024-07-01 12:00', 'America/St_Johns');        --> -02:30
--   SELECT local_time('2024-07-01 12:00+02:00', 'America/New_York');  --> 2024-07-01 06:00:00
--   SELECT local_time('2024-07-01 12:00', 'Europe/Atlantis');         --> ERROR No time zone found with key Europe/Atlantis
--
-- The zones are the system's (the package tzdata), or those of Python's package tzdata.

SELECT python_define('
  from datetime import datetime, timezone
  from zoneinfo import ZoneInfo

  def _utc(time):
      time = datetime.fromisoformat(time)
      return time if time.tzinfo else time.replace(tzinfo=timezone.utc)

  def local_time(utc, zone):
      return _utc(utc).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")

  def utc_time(local, zone):
      local = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
      return local.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")

  def utc_offset(utc, zone):
      return _utc(utc).astimezone(ZoneInfo(zone)).isoformat()[-6:]
');
