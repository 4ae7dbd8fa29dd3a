"""LangChain's cache of model answers: `set_llm_cache(HotplateCache(client.namespace("llm")))`.

Answers are written as LangChain's own JSON, never pickled, and only classes of answers and messages are made from it on
reading. Keys, clearing and lifetimes live here; the cache's own rules with the client.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Final

from hotplate._aio.namespace import AsyncNamespace
from hotplate._sync.namespace import Namespace
from hotplate.adapters._extra import needed
from hotplate.adapters._spaces import Spaces
from hotplate.errors import CodecError, InvalidArgumentError
from hotplate.keys import Key
from hotplate.serializers.base import Encoded, Place, essence
from hotplate.ttl import TtlLike

try:
    from langchain_core import messages, outputs
    from langchain_core._api import LangChainBetaWarning
    from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
    from langchain_core.load import dumps, load
except ImportError as _cause:
    raise needed("langchain-core", "langchain") from _cause

__all__ = ["HotplateCache"]

# `load` is LangChain's own way to read what `dumps` wrote, as its other caches do: users can do nothing about it.
warnings.filterwarnings("ignore", category=LangChainBetaWarning, module=re.escape(__name__))

_READABLE: Final[tuple[type, ...]] = (
    outputs.Generation,
    outputs.GenerationChunk,
    outputs.ChatGeneration,
    outputs.ChatGenerationChunk,
    messages.AIMessage,
    messages.AIMessageChunk,
    messages.HumanMessage,
    messages.SystemMessage,
    messages.ToolMessage,
    messages.ChatMessage,
    messages.FunctionMessage,
)


class HotplateCache(BaseCache):
    """Answers of models, kept where all processes find them.

    ```python
    set_llm_cache(HotplateCache(Client.from_env().namespace("llm"), ttl="24h"))
    ```
    """

    def __init__(
        self,
        namespace: Namespace | None = None,
        *,
        async_namespace: AsyncNamespace | None = None,
        ttl: TtlLike | None = None,
        tags: Iterable[str] = (),
        prefix: str = "langchain",
        classes: Iterable[type] = (),
    ) -> None:
        """One of the namespaces is needed; with both, `ainvoke` and its like use `async_namespace`.

        - `ttl`: how long an answer stays; None: what the namespace says.
        - `tags`: groups that all answers belong to.
        - `prefix`: what all keys begin with. Caches with different prefixes share nothing.
        - `classes`: more classes that may be made on reading: messages or generations of your own.
        """
        self._spaces = Spaces(namespace, async_namespace, _Answers([*_READABLE, *classes]))
        self._prefix = prefix
        self._options: dict[str, Any] = {"kind": "langchain", "tags": list(tags)}
        if ttl is not None:
            self._options["ttl"] = ttl

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """The answer to this prompt by a model set up like this; None where there is none."""
        found: RETURN_VAL_TYPE | None = self._spaces.get(self._key(prompt, llm_string))
        return found

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Stores an answer. One that has no JSON form is not stored, which is logged."""
        self._spaces.put({self._key(prompt, llm_string): return_val}, **self._options)

    def clear(self, **kwargs: Any) -> None:
        """Drops all answers under the prefix; with `llm_string` those of a model that is set up like this."""
        self._spaces.drop(**self._selected(kwargs))

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """`lookup` for event loops."""
        found: RETURN_VAL_TYPE | None = await self._spaces.aget(self._key(prompt, llm_string))
        return found

    async def aupdate(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """`update` for event loops."""
        await self._spaces.aput({self._key(prompt, llm_string): return_val}, **self._options)

    async def aclear(self, **kwargs: Any) -> None:
        """`clear` for event loops."""
        await self._spaces.adrop(**self._selected(kwargs))

    def _model(self, llm_string: str) -> Key:
        return Key(self._prefix).content(llm_string.encode("utf-8", "surrogatepass"))

    def _key(self, prompt: str, llm_string: str) -> str:
        # Prompts may be secret and are long: neither is readable in the key.
        return str(self._model(llm_string).content(prompt.encode("utf-8", "surrogatepass")))

    def _selected(self, named: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(named) - {"llm_string"})
        if unknown:
            raise InvalidArgumentError(f"clear knows no `{unknown[0]}`: give llm_string, or nothing", field=unknown[0])
        chosen = self._model(named["llm_string"]) if "llm_string" in named else Key(self._prefix)
        return {"prefix": f"{chosen}:", "reason": "cleared by LangChain"}


class _Answers:
    """`application/vnd.langchain+json`: a list of generations."""

    content_type = "application/vnd.langchain+json"

    def __init__(self, classes: Sequence[type]) -> None:
        self._classes = classes

    def reads(self, content_type: str) -> bool:
        """Its own kind only."""
        return essence(content_type) == self.content_type

    def encode(self, value: Any, place: Place) -> Encoded:
        """LangChain's own JSON."""
        try:
            text = dumps(list(value))
        except (TypeError, ValueError, RecursionError):
            raise CodecError("the answer has no JSON form") from None
        name = _unreadable(json.loads(text))
        if name is not None:
            raise CodecError(f"the answer holds a {name}, which LangChain cannot read again")
        return Encoded(text.encode(), self.content_type)

    def decode(self, data: bytes, content_type: str, place: Place) -> Any:
        """The generations. No other class is made, and no secret of the environment is looked up."""
        try:
            found = load(json.loads(data), allowed_objects=self._classes, secrets_from_env=False)
        except Exception:
            # What it says of its failure quotes the answer.
            raise CodecError("the stored answer was not written by LangChain, or by another version of it") from None
        if not isinstance(found, list) or not all(isinstance(one, outputs.Generation) for one in found):
            raise CodecError("the stored answer is no list of generations")
        return found


def _unreadable(made: Any) -> str | None:
    """The class of the first object that LangChain described without being able to read it again."""
    if isinstance(made, list):
        return next((name for name in map(_unreadable, made) if name), None)
    if not isinstance(made, dict):
        return None
    if made.get("lc") == 1 and made.get("type") == "not_implemented":
        return str((made.get("id") or ["class without name"])[-1])
    return _unreadable(list(made.values()))
