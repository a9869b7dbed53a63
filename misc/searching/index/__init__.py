"""The index of a collection: vectors of its videos by pattern of experts, in FAISS files or in Milvus."""
