"""Templates to HTML: GOV.UK's components by govuk-frontend-jinja, our pages over them, everything escaped, no script.

A name that a page was not given is an error, not an empty string; only the components' own optional parameters may be missing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jinja2 import ChainableUndefined, ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined, Undefined
from jinja2.exceptions import UndefinedError
from jinja2.utils import missing

from schemas.errors import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Pages"]

_SCRIPT = re.compile(r"[ \t]*<script\b.*?</script>\n?", re.DOTALL)
_OPTIONAL_OF_TEMPLATE = (
    "assetPath",
    "assetUrl",
    "bodyAttributes",
    "bodyClasses",
    "containerAttributes",
    "containerClasses",
    "footerAttributes",
    "footerClasses",
    "headerAttributes",
    "headerClasses",
    "htmlClasses",
    "mainAttributes",
    "mainClasses",
    "mainLang",
    "opengraphImageUrl",
    "pageTitleLang",
    "serviceName",
)
"""What GOV.UK's page template asks for and may do without."""


class _Careful(Undefined):
    """Missing keys of a component's parameters are empty; anything else that is missing is an error."""

    def __new__(cls, hint: str | None = None, obj: Any = missing, name: str | None = None, exc: type[Any] = UndefinedError) -> Any:  # noqa: ANN401 (jinja2's own signature)
        kind = ChainableUndefined if isinstance(obj, dict | Undefined) else StrictUndefined
        return kind(hint, obj, name, exc)


class _WithoutScript(PackageLoader):
    """GOV.UK's templates less the one inline script of the page template; no JavaScript is shipped."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool] | None]:
        source, path, fresh = super().get_source(environment, template)
        if template == "template.html":
            source, found = _SCRIPT.subn("", source)
            if found != 1:
                raise BrokenPromise(f"govuk-frontend-jinja's template.html has {found} scripts, not the one that is taken out")
        return source, path, fresh


class Pages:
    """Renders a page by the name of its template."""

    def __init__(self, shared: Mapping[str, object]) -> None:
        """shared: what every page may use beside what it is given."""
        self._environment = Environment(
            loader=ChoiceLoader([PackageLoader("console"), PrefixLoader({"govuk_frontend_jinja": _WithoutScript("govuk_frontend_jinja")})]),
            autoescape=True,
            undefined=_Careful,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals |= dict.fromkeys(_OPTIONAL_OF_TEMPLATE) | {"htmlLang": "en-GB", "themeColor": "#1b2f45"} | dict(shared)

    def render(self, template: str, given: Mapping[str, object]) -> str:
        """HTML; raises UndefinedError where the template asks for what it was not given."""
        return self._environment.get_template(template).render(given)
