"""hotplate behind the caches that other libraries already know: one module for each, none imported unless asked for.

| module | for | extra |
|---|---|---|
| `hotplate.adapters.fastapi` | FastAPI and Starlette | `fastapi` |
| `hotplate.adapters.langchain` | LangChain's `BaseCache` | `langchain` |
| `hotplate.adapters.litellm` | LiteLLM's `BaseCache` | `litellm` |
| `hotplate.adapters.joblib` | `joblib.Memory`, scikit-learn's `memory=` | `joblib` |
| `hotplate.adapters.dogpile` | dogpile.cache regions | `dogpile` |

Without its library a module raises ImportError, which names the extra. Clients belong to who made them: no adapter
closes one that it was given.
"""
