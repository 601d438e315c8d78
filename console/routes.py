"""Every page there is, as one table: its address, who may open it, what draws it. The tests make their matrix from it."""

from __future__ import annotations

from casebook.scope import Role
from console.analysis_page import show_analysis, weekly_file
from console.area_page import show_area, show_areas
from console.case_page import act_on_case, show_case
from console.inbox_page import show_inbox
from console.people_page import act_on_people, show_people, show_roles
from console.plain_pages import footer_page, show_cookies, show_first, show_help, show_state
from console.school_page import own_school, show_path, show_school, show_schools
from console.then_page import show_then
from console.visit import ANYONE, EVERY_ROLE, HUB, Page

__all__ = ["TABLE"]

_HUB_AND_SCHOOL = HUB | {Role.SCHOOL}

TABLE = (
    Page("first", "/", show_first, EVERY_ROLE),
    Page("inbox", "/inbox", show_inbox, HUB, menu="Inbox"),
    Page("case", "/cases/{case}", show_case, _HUB_AND_SCHOOL, part_of="inbox"),
    Page("then", "/cases/{case}/then-and-now", show_then, _HUB_AND_SCHOOL, part_of="inbox"),
    Page("act", "/cases/{case}/{verb}", act_on_case, HUB, method="POST", part_of="inbox", form_at="/cases/{case}"),
    Page("own_school", "/school", own_school, frozenset({Role.SCHOOL}), menu="Your school"),
    Page("schools", "/schools", show_schools, HUB, menu="Schools"),
    Page("school", "/schools/{urn}", show_school, _HUB_AND_SCHOOL, part_of="schools"),
    Page("path", "/schools/{urn}/path", show_path, _HUB_AND_SCHOOL, method="POST", part_of="schools", form_at="/schools/{urn}"),
    Page("areas", "/areas", show_areas, HUB, menu="The area"),
    Page("area", "/areas/{alert}", show_area, HUB, part_of="areas"),
    Page("people", "/people", show_people, frozenset({Role.HUB_LEAD}), menu="People"),
    Page("act_on_people", "/people/{verb}", act_on_people, frozenset({Role.HUB_LEAD}), method="POST", part_of="people", form_at="/people"),
    Page("analysis", "/analysis", show_analysis, frozenset({Role.ANALYST}), menu="Analysis"),
    Page("weekly", "/analysis/weekly.csv", weekly_file, frozenset({Role.ANALYST}), part_of="analysis"),
    Page("state", "/state", show_state, frozenset({Role.OPS}), menu="State"),
    Page("roles", "/roles", show_roles, EVERY_ROLE),
    Page("signed_out", "/signed-out", footer_page("signed_out.html"), ANYONE),
    Page("accessibility", "/accessibility", footer_page("accessibility.html"), ANYONE),
    Page("privacy", "/privacy", footer_page("privacy.html"), ANYONE),
    Page("cookies", "/cookies", show_cookies, ANYONE),
    Page("help", "/help", show_help, ANYONE),
)
"""The order is the menu's."""
