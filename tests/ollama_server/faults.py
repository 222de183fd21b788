"""Everything that can go wrong between a client and Ollama, one name each, as it shows on the wire."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tests.ollama_server.models import Recorded

WRITING = ("/api/chat", "/api/generate")
EMBEDDING = ("/api/embed",)
ANY = ()


class Fault(Enum):
    """A fault: what happens on the wire, and the paths it can happen on (none: all of them)."""

    # Refused before any work.
    MODEL_MISSING = "404 model 'x' not found", (*WRITING, *EMBEDDING)
    MODEL_MISSING_OLD = '404 as servers before 0.6 say it: model "x" not found, try pulling it first', WRITING
    NOT_FOUND_PLAIN = "404 text/plain: 404 page not found", ANY
    METHOD_NOT_ALLOWED = "405 text/plain: 405 method not allowed", ANY
    TEXT_MODEL_IMAGE = "400, text model given an image; the error is JSON in a string", WRITING
    TEXT_MODEL_IMAGE_OLD = "500 of servers before 0.30: this model is missing data required for image input", WRITING
    IMAGES_IGNORED = "200 of servers before 0.30: the image is silently ignored, the prompt keeps [img-0]", WRITING
    BAD_BASE64 = "400 illegal base64 data at input byte N", WRITING
    DATA_URI = "400 for a data: URI: illegal base64 data at input byte 4", WRITING
    UNDECODABLE_IMAGE = "400 Failed to load image or audio file; the error is JSON in a string", WRITING
    ANIMATED_WEBP = "500 decode WebP image: webp: invalid format", WRITING
    ONE_IMAGE_ONLY = "500 of old llama3.2-vision: vision model only supports a single image per message", WRITING
    ONE_IMAGE_ONLY_NEWER = (
        "500 of 0.11 to 0.24: this model only supports one image while more than one image requested",
        WRITING,
    )
    MLLAMA = "500 llama3.2-vision on 0.30 and later: unknown model architecture: 'mllama'", WRITING
    CONTEXT_EXCEEDED = "400 exceed_context_size_error; the error is JSON in a string", WRITING
    BUSY = "503 server busy, please try again.  maximum pending requests exceeded", (*WRITING, *EMBEDDING)
    RUNNER_KILLED = "500 llama-server process has terminated: signal: killed", (*WRITING, *EMBEDDING)
    RUNNER_STOPPED = "500 model runner has unexpectedly stopped, this may be due to resource limitations", WRITING
    WEIGHTS_DAMAGED = "500 tensor offset+size exceeds file size", WRITING
    REPEAT_LIMIT = "500 prediction aborted, token repeat limit reached", WRITING
    HTML_502 = "502 with an HTML page of a proxy", ANY
    HTML_200 = "200 with an HTML page: something else answers at this address", ANY
    FORBIDDEN_EMPTY = "403 with an empty body: foreign Host or Origin", ANY
    UNAUTHORIZED = "401 unauthorized with a signin_url", WRITING
    CLOUD_DISABLED = "403 cloud models are disabled", WRITING
    TOO_MANY_REQUESTS = "429 of a cloud model", WRITING
    ERROR_IS_A_LIST = "500 whose JSON body is a list", WRITING
    EMBED_NOT_SUPPORTED = "501 This server does not support embeddings. Start it with `--embeddings`", EMBEDDING
    # A whole reply, but not what was asked for.
    TRUNCATED_PROMPT = "200, the prompt silently cut: prompt_eval_count far below the prompt", WRITING
    LENGTH = "200 with done_reason length and a cut reply", WRITING
    NOT_JSON = "200, prose although a format was sent", WRITING
    WRONG_SHAPE = "200, JSON of another shape than the format sent", WRITING
    EMPTY_REPLY = "200 with done and no text", WRITING
    LOAD_ONLY = "200 with done_reason load and no text, as after an empty prompt", WRITING
    UNLOAD_ONLY = "200 with done_reason unload and no text", WRITING
    THINKING = "200 with message.thinking before the content", WRITING
    EMBED_EMPTY = "200 with embeddings: []", EMBEDDING
    EMBED_TOO_FEW = "200 with one vector fewer than texts", EMBEDDING
    EMBED_NOT_NORMALISED = "200 with vectors whose length is not 1, as of /api/embeddings", EMBEDDING
    # The reply breaks off or is framed in an unusual way.
    NO_DONE = "200 without a final done:true, streamed or not: the repeat guard of 0.33", WRITING
    ERROR_LINE = "200, then an error line in the stream: unexpected EOF", WRITING
    CUT = "the connection ends in the middle of a chunk", WRITING
    RESET = "the connection is reset in the middle of a chunk", WRITING
    CLOSED = "the connection is closed without a reply", ANY
    HALF_LINE = "the stream ends, properly framed, in the middle of a line", WRITING
    BLANK_LINES = "blank lines between the lines of the stream", WRITING
    COALESCED = "several objects in one TCP segment", WRITING
    SPLIT_OBJECT = "one object split over several TCP segments", WRITING
    SPLIT_UTF8 = "characters split in the middle of their UTF-8 bytes", WRITING
    SLOW_FIRST_BYTE = "the first byte comes late: the model is loading", WRITING
    SILENT = "the first byte never comes", ANY
    STALL = "the stream stops between two chunks", WRITING
    # Lists of models, and fetching one.
    SHOW_WITHOUT_CAPABILITIES = "show without capabilities: servers before 0.6.4", ("/api/show", "/api/tags")
    TAGS_FAMILIES_NULL = "tags with families: null, and no capabilities", ("/api/tags",)
    PULL_INTERLEAVED = "pull whose digests interleave, completed absent at first", ("/api/pull",)
    PULL_ERROR = "pull that fails with an error line under 200", ("/api/pull",)
    CREATE_ERROR = "create that fails with an error line under 200: unsupported architecture", ("/api/create",)

    def __init__(self, wording: str, paths: Sequence[str]) -> None:
        self.wording = wording
        self.paths = tuple(paths)

    def can_hit(self, path: str) -> bool:
        return path in self.paths if self.paths else path.startswith("/api/")


@dataclass(slots=True)
class Queued:
    """A fault that the next matching requests get, after `after` of them went well."""

    fault: Fault
    times: float
    after: int
    where: Callable[[Recorded], bool]


@dataclass(slots=True)
class FaultPlan:
    """Which request gets which fault: queued ones first, then random ones on requests for text."""

    queue: list[Queued] = field(default_factory=list)
    share: float = 0.0
    kinds: tuple[Fault, ...] = ()
    dice: random.Random = field(default_factory=random.Random)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def draw(self, request: Recorded) -> Fault | None:
        with self.lock:
            for queued in self.queue:
                if not queued.fault.can_hit(request.path) or not queued.where(request):
                    continue
                if queued.after > 0:
                    queued.after -= 1
                    continue
                queued.times -= 1
                if queued.times <= 0:
                    self.queue.remove(queued)
                return queued.fault
            if self.kinds and request.path in WRITING and self.dice.random() < self.share:
                return self.dice.choice(self.kinds)
        return None
