"""Contact sheets: from a shelf of cells to pages of rows × columns, with content and style beside."""

from flows.sheets.building import as_sheets, build, default_sheet, rebuild

__all__ = ["as_sheets", "build", "default_sheet", "rebuild"]
