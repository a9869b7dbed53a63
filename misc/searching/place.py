"""Where a collection and its index are."""

import dataclasses
from pathlib import Path

from misc.searching.about import About
from misc.searching.faiss_store import FaissStore
from misc.searching.store import Store
from utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Place:
    """A collection and its index.

    Attributes:
        name: of the collection.
        data_dir: its folder (None: `data/<name>`).
        index_dir: the folder of the index (None: `<data_dir>/index`).
        uri: of Milvus, a server's address or a local file (None: the index is FAISS in its folder).
    """

    name: str
    data_dir: Path | None = None
    index_dir: Path | None = None
    uri: str | None = None

    @property
    def folder(self) -> Path:
        """Of the collection."""
        return self.data_dir or Path("data") / self.name

    @property
    def index(self) -> Path:
        """The folder of the index, or of what keeps two processes from changing one in Milvus."""
        return self.index_dir or self.folder / "index"

    def has_index(self) -> bool:
        """Whether there is an index.

        Raises:
            InputError: Milvus cannot be reached.
        """
        if self.uri is None:
            return FaissStore.exists(self.index)
        from misc.searching.milvus_store import MilvusStore

        return MilvusStore.exists(self.uri, self.name)

    def open(self, about: About | None = None, writing: bool = False) -> Store:
        """The index; with `about` a new one, which takes the place of what is there when it is committed.

        Raises:
            InputError: there is none, it is damaged, or of another collection.
        """
        if self.uri is None:
            store = FaissStore(self.index, about, writing)
        else:
            from misc.searching.milvus_store import MilvusStore

            store = MilvusStore(self.uri, self.name, self.index, about, writing)
        if store.about.collection != self.name:
            store.close()
            raise InputError(f"{store.place}: an index of {store.about.collection}, expected one of {self.name}")
        return store
