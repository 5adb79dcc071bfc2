# SPDX-License-Identifier: Apache-2.0
"""What runs over the whole output of a run: the base class, and removal of near duplicates."""
import json
import os
from abc import ABC, abstractmethod

from sygra.logger.logger_config import logger


class GraphPostProcessor(ABC):
    """Made with the task's `params`; its result is written beside the output, which stays as it is."""

    @abstractmethod
    def process(self, data: list, metadata: dict) -> list:
        """`data` are the output's records, `metadata` has `output_file` and `params`; returns a list of records."""


class SemanticDedupPostProcessor(GraphPostProcessor):
    """Drops records whose text is too near to one that is kept, by the cosine of their embeddings, and reports which.

    It needs the packages numpy and sentence_transformers. `field` is the text to compare (a list's items are joined by
    newlines); `keep` says which of two stays, `first` or `last`. `dedup_mode` `nearest_neighbor` compares a record with
    the kept ones, of which `vectorstore_k` are looked at; `all_pairs` with all. At most `max_pairs_in_report` pairs are
    reported, in `report_filename` or in a name made of the output's.
    """

    def __init__(
        self,
        field="text",
        similarity_threshold=0.9,
        id_field="id",
        embedding_backend="sentence_transformers",
        embedding_model="all-MiniLM-L6-v2",
        report_filename=None,
        keep="first",
        max_pairs_in_report=2000,
        dedup_mode="nearest_neighbor",
        vectorstore_k=20,
    ):
        _one_of("embedding_backend", embedding_backend, ("sentence_transformers",))
        _one_of("dedup_mode", dedup_mode, ("nearest_neighbor", "all_pairs"))
        _one_of("keep", keep, ("first", "last"))
        self.field = field
        self.similarity_threshold = float(similarity_threshold)
        self.id_field = id_field
        self.embedding_backend = embedding_backend
        self.embedding_model = embedding_model
        self.report_filename = report_filename
        self.keep = keep
        self.max_pairs_in_report = int(max_pairs_in_report)
        self.dedup_mode = dedup_mode
        self.vectorstore_k = int(vectorstore_k)
        self._embedder = None

    def process(self, data, metadata):
        if not data:
            return data
        kept, pairs = self._deduplicate(self._embed([self._get_text(item) for item in data]), data)
        output_file = str(metadata.get("output_file") or "")
        if output_file:
            self._write_report(output_file, len(data), len(kept), pairs)
        return [data[i] for i in kept]

    def _deduplicate(self, vectors, data):
        """(positions that stay, pairs): greedy, a record is held against those that are kept so far."""
        numpy = _needed("numpy", "numpy")
        kept, kept_vectors, pairs = [], numpy.empty_like(vectors), []
        order = range(len(data)) if self.keep == "first" else range(len(data) - 1, -1, -1)
        for i in order:
            match = self._match(kept_vectors[: len(kept)] @ vectors[i])
            if match is None:
                kept_vectors[len(kept)] = vectors[i]
                kept.append(i)
            else:
                pairs.append((match[0], i, match[1]))
        if self.dedup_mode == "all_pairs":
            pairs.sort()  # a kept record and all its duplicates
        pairs = pairs[: self.max_pairs_in_report]
        return sorted(kept), [self._pair(data, kept[at], dropped, similarity) for at, dropped, similarity in pairs]

    def _match(self, similarities):
        """(position among the kept, similarity) of the one that makes a record a duplicate: the nearest, or, where all
        pairs count, the first that is near enough. The nearest is among any number of nearest ones.
        """
        if not len(similarities):
            return None
        near = (similarities >= self.similarity_threshold).nonzero()[0]
        if not len(near):
            return None
        at = int(near[0]) if self.dedup_mode == "all_pairs" else int(similarities.argmax())
        return at, float(similarities[at])

    def _pair(self, data, kept, dropped, similarity):
        return {
            "kept_index": kept,
            "dropped_index": dropped,
            "kept_id": self._get_id(data[kept], str(kept)),
            "dropped_id": self._get_id(data[dropped], str(dropped)),
            "similarity": similarity,
        }

    def _embed(self, texts):
        numpy = _needed("numpy", "numpy")
        if self._embedder is None:
            models = _needed("sentence_transformers", "sentence-transformers")
            self._embedder = models.SentenceTransformer(self.embedding_model)
        return numpy.asarray(self._embedder.encode(texts, normalize_embeddings=True), dtype=numpy.float32)

    def _get_text(self, item):
        value = item.get(self.field, "") if isinstance(item, dict) else item
        if isinstance(value, (list, tuple)):
            return "\n".join("" if part is None else str(part) for part in value)
        return "" if value is None else str(value)

    def _get_id(self, item, fallback):
        found = item.get(self.id_field) if isinstance(item, dict) else None
        return fallback if found is None else str(found)

    def _resolve_report_path(self, output_file):
        folder, name = os.path.split(output_file)
        if self.report_filename:
            return os.path.join(folder, self.report_filename)
        if "output_" in name:
            return os.path.join(folder, name.replace("output_", "semantic_dedup_report_", 1))
        return os.path.join(folder, f"semantic_dedup_report_{name}")  # never the output itself

    def _write_report(self, output_file, before, after, pairs):
        report = {
            "processor": "SemanticDedupPostProcessor",
            "field": self.field,
            "id_field": self.id_field,
            "embedding_backend": self.embedding_backend,
            "embedding_model": self.embedding_model,
            "similarity_threshold": self.similarity_threshold,
            "keep": self.keep,
            "dedup_mode": self.dedup_mode,
            "vectorstore_k": self.vectorstore_k,
            "input_count": before,
            "output_count": after,
            "dropped_count": before - after,
            "pairs_reported": len(pairs),
            "max_pairs_in_report": self.max_pairs_in_report,
            "duplicates": pairs,
        }
        path = self._resolve_report_path(output_file)
        try:
            with open(path, "w", encoding="utf-8") as file:
                json.dump(report, file, indent=4)
        except OSError as error:
            logger.error("the report of SemanticDedupPostProcessor is not written: %s", error)
        else:
            logger.info("SemanticDedupPostProcessor: %d of %d records dropped, report %s", before - after, before, path)


def _one_of(name, value, allowed):
    if value not in allowed:
        raise ValueError(f"Unsupported {name}: {value}: it is {' or '.join(allowed)}")


def _needed(module, package):
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"SemanticDedupPostProcessor needs {module} where the hooks run: pip install {package} ({error})"
        ) from None
