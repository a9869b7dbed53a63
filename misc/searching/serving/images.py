"""Images that are dropped on the search page, as queries."""

import hashlib
from collections import OrderedDict

import numpy as np
from starlette.requests import ClientDisconnect, Request

from misc.searching.collection import Collection
from misc.searching.image_query import embed_image
from utils.errors import InputError

MAX_IMAGES = 32  # of which the server knows the features
MAX_BYTES = 16 << 20


class Images:
    """The features of the last images that were sent, by a token that depends on their content only."""

    def __init__(self, collection: Collection):
        self._collection = collection
        self._features: OrderedDict[str, np.ndarray] = OrderedDict()

    def add(self, content: bytes) -> str:
        """Embed an image and return its token; raise an InputError if it is no image, or cannot be embedded."""
        token = hashlib.sha256(content).hexdigest()[:32]
        self._features[token] = embed_image(self._collection, content, "the image")
        self._features.move_to_end(token)
        while len(self._features) > MAX_IMAGES:
            self._features.popitem(last=False)
        return token

    def get(self, token: str) -> np.ndarray:
        """Return the features (dim,) of an image; raise an InputError if its token is unknown."""
        if token not in self._features:
            raise InputError("image: not known any more, expected it to be chosen again")
        return self._features[token]


async def read_body(request: Request) -> bytes:
    """Return the body of a request with an image.

    Another type than an image is refused: a page of another site can only send texts and forms without being asked.

    Raises:
        InputError: another type, or too many bytes.
    """
    if not request.headers.get("content-type", "").startswith("image/"):
        raise InputError("image: expected the content type image/*")
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > MAX_BYTES:
                raise InputError(f"image: more than {MAX_BYTES >> 20} MiB")
    except ClientDisconnect:
        raise InputError("image: not sent completely") from None
    return bytes(content)
