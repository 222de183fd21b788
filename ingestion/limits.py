"""How much a file or page may cost before it is given up; what goes over a limit is said, never cut in silence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one ingestion.

    file_bytes        size of one file; larger is TooLarge
    pages             pages of one file; more is TooLarge
    page_points       longest side of a page in points (7200 = 100 inches, twice an A0 poster); a larger page is left
                      out with a problem: rendering one of 14400 points takes more than 1 GiB
    page_cpu_s        processor seconds one page may take; over it the page is read as plain text, with a problem
    page_wall_s       seconds by the clock one page may take, whatever the processor did: a page that waits for ever
    bad_pages         pages of one file that may run into those bounds before the others are read as plain text only,
                      and that may fail as plain text before the others are left untried
    start_s           seconds by the clock a worker process may take to come up
    memory_bytes      memory of one worker process; over it the page in hand is read as plain text, with a problem
    worker_pages      pages after which a worker process is replaced, so that what a library leaks stays small
    picture_pixels    pixels of one picture file; more is TooLarge before it is unpacked
    picture_frames    frames (pages) of one TIFF; further ones are left out with a problem
    crop_pixels       longest side of a picture file's crop, in pixels; larger pictures are scaled down
    ocr_pixels        pixels of one page as handed to OCR: its resolution drops to stay under it
    """

    file_bytes: int = 1 << 30
    pages: int = 5000
    page_points: float = 7200.0
    page_cpu_s: float = 60.0
    page_wall_s: float = 300.0
    bad_pages: int = 10
    start_s: float = 120.0
    memory_bytes: int = 4 << 30
    worker_pages: int = 400
    picture_pixels: int = 100_000_000
    picture_frames: int = 500
    crop_pixels: int = 2000
    ocr_pixels: int = 30_000_000
