"""What the report's tests read pages with, and what they put into a store."""

import itertools
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from arc_core.experiments.memory import Memory
from arc_core.experiments.sample import Sample, Watch
from arc_core.experiments.study import Study

HOSTILE = (
    "wider | deeper <script>document.title = 'taken'</script> <img src=x onerror=alert(1)> `code` *bold* \\ "
    "[a link](javascript:alert(1)) ![a picture](http://127.0.0.1:9/spy.png) data:image/png;base64,AA "
    "data:image/png;base64,&#65;\n\n"
    "# no heading\n| no | row |"
)


class Page(HTMLParser):
    """Cells of each table row, texts of headings, addresses of pictures and of links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.headings: list[str] = []
        self.pictures: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.title = ""
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if tag == "a" and name == "href"]
        if tag in ("img", "meta", "br", "hr", "link"):
            self.pictures += [value for name, value in attributes if tag == "img" and name == "src"]
            return
        self._open.append(tag)
        if tag in ("table", "tr"):
            self.rows.append([])  # a table begins with a row without cells, which ends the one before
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("h1", "h2"):
            self.headings.append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            continue

    def handle_data(self, data):
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data
        elif {"h1", "h2"} & set(self._open):
            self.headings[-1] += data
        elif "title" in self._open:
            self.title += data


def table(page: Page, column: str) -> list[dict[str, str]]:
    """The rows of the table that has such a column, each by the names of its columns."""
    start = next(i for i, row in enumerate(page.rows) if column in row)
    header = page.rows[start]
    body = itertools.takewhile(lambda row: len(row) == len(header), page.rows[start + 1 :])
    return [dict(zip(header, row, strict=True)) for row in body]


def watched(memory: Memory, study: Study, *, simulated: bool, fault: str = "") -> None:
    """Twelve readings of two GPUs in the newest cycle, the first of which trained its experiments."""
    cycle = memory.cycles(study.id)[-1]
    start = datetime(2026, 1, 2, tzinfo=UTC)
    jobs = tuple(e.id for e in memory.experiments(study.id))
    samples = [
        Sample(
            at=start + timedelta(seconds=5 * place),
            gpu_index=index,
            utilisation_percent=90 - 60 * index,
            memory_used_mib=2000,
            memory_total_mib=46_068,
            jobs=() if index else jobs,
            simulated=simulated,
        )
        for place in range(12)
        for index in range(2)
    ]
    memory.samples.keep(cycle.id, samples)
    names = {0: "NVIDIA A40", 1: "NVIDIA A40"}
    failed = {"failed": 1, "fault": fault} if fault else {}
    watch = Watch(started=start, interval_s=5, gpus=names, readings=12, simulated=simulated, **failed)
    memory.samples.keep_watch(cycle.id, watch)
