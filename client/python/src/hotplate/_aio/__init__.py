"""The client for asyncio. The threaded client in `hotplate._sync` is made from it by `tools/make_sync.py`.

Only `runtime.py` and `transport.py` are written for each of both by hand: they are all that waits and all that sends.
"""
