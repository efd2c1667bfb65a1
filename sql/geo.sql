-- geo.sql: distances and directions on a sphere the size of the Earth (wrong by up to 0.5 %). All angles in degrees.
--
--   SELECT round(distance(52.36, 13.50, 40.64, -73.78));              --> 6390.0
--   SELECT round(distance(52.36, 13.50, 40.64, -73.78, 'nm'));        --> 3451.0
--   SELECT round(bearing(52.36, 13.50, 40.64, -73.78));               --> 296.0
--   SELECT compass(bearing(52.36, 13.50, 40.64, -73.78));             --> WNW
--   SELECT destination(0, 0, 90, 111.195) ->> 'lon' > 0.999;          --> 1
--   SELECT distance(52.36, 13.50, 40.64, -73.78, 'ft');               --> ERROR unit 'ft' is none of km, mi, nm

SELECT python_define('
  from math import asin, atan2, cos, degrees, hypot, radians, sin

  _RADIUS = {"km": 6371.0088, "mi": 3958.7613, "nm": 3440.0695}
  _UNITS = ", ".join(_RADIUS)

  def _radius(unit):
      if unit not in _RADIUS:
          raise ValueError(f"unit {unit!r} is none of {_UNITS}")
      return _RADIUS[unit]

  # The great circle between two places.
  def distance(lat1, lon1, lat2, lon2, unit="km"):
      lat1, lon1, lat2, lon2 = map(radians, (lat1, lon1, lat2, lon2))
      half = hypot(sin((lat2 - lat1) / 2), (cos(lat1) * cos(lat2)) ** 0.5 * sin((lon2 - lon1) / 2))
      return 2 * _radius(unit) * asin(min(1, half))

  # In which direction one sets out: 0 is north, 90 east.
  def bearing(lat1, lon1, lat2, lon2):
      lat1, lat2, turn = radians(lat1), radians(lat2), radians(lon2 - lon1)
      return degrees(atan2(sin(turn) * cos(lat2), cos(lat1) * sin(lat2) - sin(lat1) * cos(lat2) * cos(turn))) % 360

  def compass(bearing):
      names = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split()
      return names[round(bearing / 22.5) % 16]

  # Where one arrives, as JSON.
  def destination(lat, lon, bearing, length, unit="km"):
      lat, lon, bearing, arc = radians(lat), radians(lon), radians(bearing), length / _radius(unit)
      lat2 = asin(sin(lat) * cos(arc) + cos(lat) * sin(arc) * cos(bearing))
      lon2 = lon + atan2(sin(bearing) * sin(arc) * cos(lat), cos(arc) - sin(lat) * sin(lat2))
      return {"lat": degrees(lat2), "lon": (degrees(lon2) + 180) % 360 - 180}
');
