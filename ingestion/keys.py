"""The metadata keys of a node and its kinds, named here and nowhere else."""

from __future__ import annotations

DOCUMENT = "document"  # file name as ingested
DOCUMENT_ID = "document_id"  # sha256 of the file
TITLE = "title"
KIND = "kind"  # one of NODE_KINDS
PAGE = "page"  # first page, 1-based
PAGES = "pages"  # every page it stands on
PLACES = "places"  # [[page, x0, y0, x1, y1], ...] in points from the top left
SPANS = "spans"  # [[start, end, page, x0, y0, x1, y1], ...]: which part of the node's text stands where
SECTION = "section"  # "3 Method > 3.1 Encoders"
LABEL = "label"  # "Figure 3" or None
MENTIONS = "mentions"  # labels its text refers to
LANGUAGE = "language"
IMAGE = "image"  # crop file name or None
ELEMENTS = "elements"  # ids of the elements it was made from
CAPTION = "caption"
CONTEXT = "context"  # sentences around it, or that mention it: searched, not quoted
CELLS = "cells"  # a table's cells, header rows first
HEADER_ROWS = "header_rows"
OCR = "ocr"
DESCRIPTION = "description"  # what a model read in it: a rag_app.evidence.Description as a dict, or missing
OF = "of"  # on a stored caption: node id of its figure
MODEL = "model"  # on a stored caption: who wrote it, None for people
SOURCE = "source"  # on a stored caption: "caption"
PAPER = "paper"  # on a Document only: the whole Paper as JSON

NODE_KINDS = ("text", "table", "formula", "figure", "footnote", "reference", "caption")
ASKED_FOR = ("reference", "caption")  # found only where these kinds are asked for
SECTION_SEPARATOR = " > "
