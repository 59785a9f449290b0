"""Steering vectors, the corpora they make, and what those are worth. This door is light: a name is imported when first asked for."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asteer_core.study.detecting import load_detector
    from asteer_core.study.scoring import score_file as score_corpus

__all__ = ["load_detector", "score_corpus"]


def __getattr__(name: str) -> Any:
    """Return a public name of the package."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "load_detector":
        from asteer_core.study.detecting import load_detector

        return load_detector
    from asteer_core.study.scoring import score_file

    return score_file
