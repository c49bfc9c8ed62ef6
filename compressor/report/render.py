"""Templates to pages: one file each, that asks for no other. Everything that came from data or
configuration is escaped, and control characters are shown by their codes.
"""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from compressor.report import wording
from compressor.report.strike import visible


def render(template: str, **values: Any) -> str:
    """The page that a template of `templates/` makes of the values."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("compressor.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_harmless,
    )
    environment.filters.update(
        number=wording.number, share=wording.share, duration=wording.duration
    )
    return environment


def _harmless(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
