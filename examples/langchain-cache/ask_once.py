"""A LangChain call whose answer is cached: the model is asked once for all processes.

The model is a fake one that thinks for a second, so that this runs without a network. The server is the one that
HOTPLATE_URL names, else one on this machine.
"""

from __future__ import annotations

import time
from typing import Any

from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate

from hotplate import Client
from hotplate.adapters.langchain import HotplateCache

ASKED: list[Any] = []


class Thinking(FakeListChatModel):
    """Answers after a second, and counts how often it was asked."""

    def _call(self, *args: Any, **kwargs: Any) -> str:
        ASKED.append(args)
        time.sleep(1)
        return super()._call(*args, **kwargs)


def main() -> None:
    """Asks, or finds what was answered."""
    with Client.from_env() as client:
        set_llm_cache(HotplateCache(client.namespace(), ttl="24h", tags=["prompt:tyres"]))
        prompt = ChatPromptTemplate.from_template("Which tyres for {track} at {degrees} degrees?")
        chain = prompt | Thinking(responses=["Medium at the front, hard at the back."])
        start = time.perf_counter()
        answer = chain.invoke({"track": "Monza", "degrees": 31})
        seconds = time.perf_counter() - start
        set_llm_cache(None)

    print(f"{'computed' if ASKED else 'from the cache'} in {seconds:.3f} s")
    print(f"answer: {answer.content}")


if __name__ == "__main__":
    main()
