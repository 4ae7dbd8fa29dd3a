"""hotplate in FastAPI and Starlette: a client for an application's life, cached endpoints, routes to look after it.

```python
app = FastAPI(lifespan=hotplate_lifespan("hotplate://127.0.0.1:7070/ml"))
app.include_router(cache_router(dependencies=[Depends(is_operator)]))

@app.get("/tracks/{track}/guidance")
@cache_endpoint(ttl="30m", tags=["track:{track}"])
async def guidance(track: str, car: str) -> Guidance: ...
```
"""

from __future__ import annotations

from hotplate.adapters.fastapi.connect import cache_of, get_cache, hotplate_lifespan
from hotplate.adapters.fastapi.endpoint import cache_endpoint
from hotplate.adapters.fastapi.routes import cache_router

__all__ = ["cache_endpoint", "cache_of", "cache_router", "get_cache", "hotplate_lifespan"]
