"""The report as one file for a browser: no script, no request to anywhere, pictures drawn beforehand."""

from __future__ import annotations

from standfast.report.html.page import report_html

__all__ = ["report_html"]
