"""Small PDF, DOCX and EPUB files for tests, written by hand: what is in them is known to the letter."""

import io
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Put:
    """A text set at a place of a page (points from the left and from the top); `font` is one of `FONTS`."""

    text: str
    left: float
    top: float
    size: float = 12
    font: str = "zh"


# Fonts that a reader knows by name and encoding: none is embedded.
FONTS = {
    "zh": ("STSong-Light", "UniGB-UTF16-H"),
    "hei": ("SimHei-Bold", "UniGB-UTF16-H"),
    "down": ("STSong-Light", "UniGB-UTF16-V"),
    "en": ("Times-Roman", ""),
    "code": ("Courier", ""),
    "lost": ("Unknown", "Identity-H"),
}
HEIGHT = 800


def _font(name: str, encoding: str) -> bytes:
    if not encoding:
        return f"<</Type/Font/Subtype/Type1/BaseFont/{name}/Encoding/WinAnsiEncoding>>".encode()
    order = "GB1" if encoding.startswith("Uni") else "Identity"
    below = (
        f"<</Type/Font/Subtype/CIDFontType0/BaseFont/{name}/CIDSystemInfo<</Registry(Adobe)/Ordering({order})"
        f"/Supplement 2>>/DW 1000/FontDescriptor<</Type/FontDescriptor/FontName/{name}/Flags 4"
        "/FontBBox[0 -200 1000 800]/Ascent 800/Descent -200/CapHeight 800/ItalicAngle 0/StemV 80>>>>"
    )
    return f"<</Type/Font/Subtype/Type0/BaseFont/{name}/Encoding/{encoding}/DescendantFonts[{below}]>>".encode()


def _set(put: Put) -> bytes:
    wide = FONTS[put.font][1]
    shown = (
        f"<{put.text.encode('utf-16-be').hex()}>"
        if wide
        else "(" + put.text.replace("(", r"\(").replace(")", r"\)") + ")"
    )
    place = f"/{put.font} {put.size} Tf 1 0 0 1 {put.left} {HEIGHT - put.top} Tm"
    return f"BT {place} {shown} Tj ET\n".encode("cp1252")


def rule(left: float, top: float, right: float, bottom: float) -> bytes:
    """Return the drawing of a line of a table."""
    return f"{left} {HEIGHT - top} m {right} {HEIGHT - bottom} l S\n".encode()


def pdf(*pages: Iterable[Put | bytes], trailer: str = "", packed: bool = True) -> bytes:
    """Return a PDF (ISO 32000) with these pages."""
    fonts = "".join(f"/{name} {3 + index} 0 R" for index, name in enumerate(FONTS))
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", *(_font(*font) for font in FONTS.values())]
    kids = []
    for page in pages:
        content = b"".join(_set(item) if isinstance(item, Put) else item for item in page)
        if packed:
            content = zlib.compress(content, 9)
        head = f"<</Length {len(content)}{'/Filter/FlateDecode' if packed else ''}>>".encode()
        objects.append(head + b"stream\n" + content + b"\nendstream")
        place = f"/Contents {len(objects)} 0 R/Resources<</Font<<{fonts}>>>>"
        objects.append(f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 {HEIGHT}]{place}>>".encode())
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(kids)}]>>".encode()
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, item in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + item + b"\nendobj\n"
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    out += f"trailer<</Size {len(objects) + 1}/Root 1 0 R{trailer}>>\nstartxref\n{table}\n%%EOF\n".encode()
    return bytes(out)


def zipped(files: dict[str, str | bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>'
    "</Relationships>"
)


def paragraph(text: str, style: str = "", numbered: bool = False) -> str:
    number = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>' if numbered else ""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f'<w:p><w:pPr>{named}{number}</w:pPr><w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def table(*rows: tuple[str, ...]) -> str:
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"


def docx(*body: str, head: str = "") -> bytes:
    """Return a DOCX (ECMA-376) whose document has these parts."""
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{name.replace(" ", "")}"><w:name w:val="{name}"/></w:style>'
        for name in ("heading 1", "heading 2", "Code")
    )
    level = '<w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/></w:lvl>'
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    return zipped(
        {
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            f'<Override PartName="/word/document.xml" ContentType="{kind}.document.main+xml"/></Types>',
            "_rels/.rels": _RELATIONS,
            "word/document.xml": f"{head}<w:document {_W}><w:body>{''.join(body)}</w:body></w:document>",
            "word/styles.xml": f"<w:styles {_W}>{styles}</w:styles>",
            "word/numbering.xml": f'<w:numbering {_W}><w:abstractNum w:abstractNumId="0">{level}</w:abstractNum>'
            '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>',
        }
    )


def epub(title: str, chapters: dict[str, str], order: list[str] | None = None, **more: str) -> bytes:
    """Return an EPUB 3 with chapters by file name, in the order of its spine."""
    items = "".join(f'<item id="{name}" href="text/{name}" media-type="application/xhtml+xml"/>' for name in chapters)
    spine = "".join(f'<itemref idref="{name}"/>' for name in order or chapters)
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    page = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body>{}</body></html>'
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
            "OEBPS/book.opf": package,
            **{f"OEBPS/text/{name}": page.format(body) for name, body in chapters.items()},
            **more,
        }
    )
