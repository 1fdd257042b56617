"""Events, hits, processes, alerts and incidents in ClickHouse, embedded (chDB) or a server, by one address and with
one SQL.

`open(address)` gives a `Store` that fulfils `ports.EventReader`, `AlertStore` and `EntityReader`, and inserts
stretches.
"""
