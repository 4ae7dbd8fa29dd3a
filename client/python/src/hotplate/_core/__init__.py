"""What the asyncio client and the threaded client share: everything that does not wait and does not send.

Nothing here imports grpc, asyncio or starts a thread.
"""
