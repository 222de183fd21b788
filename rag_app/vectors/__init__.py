"""FAISS spaces derived from the store, and the LlamaIndex vector store over them."""
