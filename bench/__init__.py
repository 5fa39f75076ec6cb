"""Measurements against bare Tornado and bare ZeroMQ; `python -m bench` prints one table."""
