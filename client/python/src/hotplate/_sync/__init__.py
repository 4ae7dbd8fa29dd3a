"""The client for threads: real blocking calls, no event loop.

All files but `runtime.py`, `transport.py` and this one are made from `hotplate._aio` by `tools/make_sync.py`: change
them there.
"""
