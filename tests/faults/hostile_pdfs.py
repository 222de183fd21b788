"""PDFs made to harm who reads them: what inflates, never ends, nests, lies about its size, or wants something run."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

from tests.faults import times
from tests.made_pdfs import prose

SOUND = "The sound sentence stands on this page of the paper."  # what must not be lost where the page can be read
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
Objects = dict[int, bytes]


def pdf(objects: Objects, trailer: bytes = b"") -> bytes:
    """A file of these objects, 1 the catalogue; its table of objects is right."""
    data, places = bytearray(b"%PDF-1.7\n"), dict[int, int]()
    for number, body in objects.items():
        places[number] = len(data)
        data += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    size, start = max(objects) + 1, len(data)
    lines = [b"%010d 00000 n \n" % places[n] if n in places else b"0000000000 65535 f \n" for n in range(size)]
    data += b"xref\n0 %d\n%b" % (size, b"".join(lines))
    return bytes(data + b"trailer\n<</Size %d/Root 1 0 R%b>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start))


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<<%b/Length %d>>\nstream\n%b\nendstream" % (entries, len(data), data)


def words() -> bytes:
    """Drawing three paragraphs, the sound sentence in the second."""
    lines = []
    for paragraph, text in enumerate((prose(1), f"{SOUND} {prose(2)}", prose(3))):
        said, line = [], ""
        for word in text.split():
            if len(line) + len(word) > 80:
                said.append(line)
                line = ""
            line = f"{line} {word}".strip()
        for at, one in enumerate([*said, line]):
            lines.append(f"1 0 0 1 72 {700 - 170 * paragraph - 13 * at} Tm ({one}) Tj")
    return f"BT /F1 10 Tf {' '.join(lines)} ET\n".encode()


def page(
    content: bytes | None = None, resources: bytes = b"", *, box: bytes = b"[0 0 595 842]", **more: bytes
) -> Objects:
    """The objects of a file of one page: 1 catalogue, 2 page tree, 3 page, 4 content, 5 font; o7: object 7."""
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R/MediaBox%b/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>%b>>>>"
        % (box, resources),
        4: content if content is not None else stream(words()),
        5: FONT,
    }
    return objects | {int(name[1:]): body for name, body in more.items()}


def blank(megabytes: int) -> bytes:
    """So many megabytes of blanks, compressed."""
    packing = zlib.compressobj(9)
    return b"".join(packing.compress(b" " * 2**20) for _ in range(megabytes)) + packing.flush()


def _form(content: bytes, resources: bytes) -> bytes:
    return stream(content, b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources<<%b>>" % resources)


def _image(data: bytes, size: int, more: bytes) -> bytes:
    head = b"/Type/XObject/Subtype/Image/Width %d/Height %d" % (size, size)
    return pdf(
        page(stream(words() + b"q 99 0 0 99 10 10 cm /I Do Q"), b"/XObject<</I 6 0 R>>", o6=stream(data, head + more))
    )


def _tree(depth: int) -> bytes:
    objects = page()
    objects[2] = b"<</Type/Pages/Kids[10 0 R]/Count 1>>"
    for at in range(depth):
        kid = 11 + at if at < depth - 1 else 3
        objects[10 + at] = b"<</Type/Pages/Parent %d 0 R/Kids[%d 0 R]/Count 1>>" % (9 + at if at else 2, kid)
    objects[3] = objects[3].replace(b"/Parent 2 0 R", b"/Parent %d 0 R" % (9 + depth))
    return pdf(objects)


def _laughs(levels: int) -> bytes:
    """A form that draws another ten times, which draws another ten times, ..."""
    forms = {f"o{10 + n}": _form(b"/N Do " * 10, b"/XObject<</N %d 0 R>>" % (11 + n)) for n in range(levels)}
    forms[f"o{10 + levels}"] = _form(b"0 0 9 9 re f", b"")
    return pdf(page(stream(words() + b"/N Do"), b"/XObject<</N 10 0 R>>", **forms))


def _active(folder: Path) -> bytes:
    launched, dropped = (str(folder / name).encode() for name in ("launched", "dropped"))
    objects = page(o6=stream(b"owned", b"/Type/EmbeddedFile"))
    objects[1] = (
        b"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/Launch/F(/usr/bin/touch)/Win<</F(touch)/P(%b)>>>>/Names<<"
        b"/EmbeddedFiles<</Names[(%b)<</Type/Filespec/F(%b)/EF<</F 6 0 R>>>>]>>/JavaScript<</Names[(a)<</S/JavaScript"
        b"/JS(app.launchURL\\('http://127.0.0.1:9'\\); this.exportDataObject\\('x'\\);)>>]>>>>>>"
        % (launched, dropped, dropped)
    )
    objects[3] = objects[3][:-2] + (
        b"/AA<</O<</S/Launch/F(/usr/bin/touch)>>>>/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 500 800]"
        b"/A<</S/URI/URI(javascript:alert\\(1\\))>>>>"
        b"<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/GoToR/F(\\\\\\\\evil\\\\x.pdf)>>>>]>>"
    )
    return pdf(objects)


def _title() -> bytes:
    said = rb"(\033]0;owned\007\033[2J<script>alert\(1\)</script>\r\nSecond line\233)"
    return pdf(page(o6=b"<</Title%b/Author(%b)>>" % (said, b"A" * 2_000_000)), b"/Info 6 0 R")


def _tree_of(kids: bytes, more: bytes = b"", **objects: bytes) -> bytes:
    return pdf(page(o2=b"<</Type/Pages/Kids[%b]%b>>" % (kids, more), **objects))


def makers(folder: Path) -> dict[str, Callable[[], bytes]]:
    """What makes each file, by its name. folder: where what is launched or dropped would be."""
    box = b"0 0 595 842"
    return {
        "bomb": lambda: pdf(page(stream(blank(times(40, 3000)), b"/Filter/FlateDecode"))),
        "bomb in a bomb": lambda: pdf(
            page(stream(zlib.compress(blank(times(40, 3000)), 9), b"/Filter[/FlateDecode/FlateDecode]"))
        ),
        "bomb as an image": lambda: _image(
            blank(times(20, 2700)), times(2600, 30_000), b"/BitsPerComponent 8/ColorSpace/DeviceRGB/Filter/FlateDecode"
        ),
        "image that lies": lambda: _image(b"abc", 2_000_000_000, b"/BitsPerComponent 16/ColorSpace/DeviceCMYK"),
        "image of negative size": lambda: _image(b"abc", -5, b"/BitsPerComponent 8/ColorSpace/DeviceRGB"),
        "image without end": lambda: _image(
            b"\0\0\0\0\x30\0\1\0\0\0\x13" + b"\xff" * 8 + bytes(11),
            60_000,
            b"/BitsPerComponent 1/ColorSpace/DeviceGray/Filter/JBIG2Decode",
        ),
        "font that lies": lambda: pdf(
            page(
                o5=b"<</Type/Font/Subtype/TrueType/BaseFont/X/FirstChar 0/LastChar 2000000000/Widths[1]"
                b"/FontDescriptor 7 0 R>>",
                o7=b"<</Type/FontDescriptor/FontName/X/Flags 4/FontFile2 8 0 R>>",
                o8=stream(b"\0\1\0\0\xff\xffglyf" + b"\xff" * 60, b"/Length1 2000000000"),
            )
        ),
        "deep arrays": lambda: pdf(
            page(o1=b"<</Type/Catalog/Pages 2 0 R/X 6 0 R>>", o6=b"[" * 200_000 + b"]" * 200_000)
        ),
        "deep content": lambda: pdf(page(stream(words() + b"[" * 100_000 + b"]" * 100_000 + b" TJ" + b" q" * 200_000))),
        "deep page tree": lambda: _tree(3000),
        "page tree in a circle": lambda: _tree_of(
            b"3 0 R 2 0 R 6 0 R", b"/Count 3", o6=b"<</Type/Pages/Parent 2 0 R/Kids[2 0 R]/Count 1>>"
        ),
        "page tree that is its own parent": lambda: _tree_of(
            b"3 0 R", b"/Count 1/Parent 2 0 R", o3=b"<</Type/Page/Parent 2 0 R/Contents 4 0 R>>"
        ),
        "too many pages said": lambda: _tree_of(b"3 0 R", b"/Count 2000000000"),
        "negative pages said": lambda: _tree_of(b"3 0 R", b"/Count -7"),
        "forms in a circle": lambda: pdf(
            page(
                stream(words() + b"/A Do"),
                b"/XObject<</A 6 0 R>>",
                o6=_form(b"/B Do", b"/XObject<</B 7 0 R>>"),
                o7=_form(b"/A Do", b"/XObject<</A 6 0 R>>"),
            )
        ),
        "forms that multiply": lambda: _laughs(times(7, 12)),
        "a million objects": lambda: pdf(page() | dict.fromkeys(range(6, times(200_000, 1_000_000)), b"<</A 1>>")),
        "a million words": lambda: pdf(
            page(
                stream(
                    words() + b"BT /F1 1 Tf " + b"1 0 0 1 9 9 Tm (x) Tj " * times(20_000, 1_000_000) + b"ET",
                )
            )
        ),
        "huge page": lambda: pdf(page(box=b"[0 0 1e9 1e9]")),
        "page of no size": lambda: pdf(page(box=b"[0 0 -1e38 99999999999999999999999]")),
        "table of objects in a circle": lambda: (
            b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\nxref\n0 1\n"
            b"0000000000 65535 f \ntrailer<</Size 4/Root 1 0 R/Prev 45>>\nstartxref\n45\n%%EOF"
        ),
        "pattern without end": lambda: pdf(
            page(
                stream(words() + b"/Pattern cs /P scn 0 0 595 842 re f"),
                b"/Pattern<</P 6 0 R>>",
                o6=stream(
                    b"0 0 1 1 re f",
                    b"/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 1 1]/XStep 0.0001/YStep 0.0001/Resources<<>>",
                ),
            )
        ),
        "function of terabytes": lambda: pdf(
            page(
                stream(words() + b"/S sh"),
                b"/Shading<</S<</ShadingType 1/ColorSpace/DeviceRGB/Function 6 0 R>>>>",
                o6=stream(
                    b"x", b"/FunctionType 0/Domain[0 1 0 1]/Range[0 1 0 1 0 1]/Size[99999 99999]/BitsPerSample 32"
                ),
            )
        ),
        "content in another file": lambda: pdf(
            page(
                o4=b"<</F(/etc/passwd)/Length 0>>\nstream\n\nendstream",
                o3=b"<</Type/Page/Parent 2 0 R/MediaBox[%b]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>" % box,
            )
        ),
        "scripts, launching, files inside": lambda: _active(folder),
        "a title that steers": _title,
    }
