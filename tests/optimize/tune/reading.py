"""Reads a report: its numbers with their places in the JSON, its words, and the JSON itself."""

import json
from html.parser import HTMLParser

VOID = {"meta", "br", "img", "hr", "link", "input"}


class Reader(HTMLParser):
    """Reads a page: numbers with their places, words outside of them, tags, ids, references."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.tags, self.references = [], [], [], []
        self.numbers, self.words, self.within = [], [], None

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        self.references += [values[name] for name in ("src", "href", "xlink:href") if name in values]
        if tag == "data":
            self.within = (values["data-from"], json.loads(values["value"]))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "data":
            self.within = None

    def handle_data(self, data):
        if self.within is not None:
            self.numbers.append((*self.within, data))
        elif not {"style", "svg"} & set(self.open):
            self.words.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def leaves(value, pointer=""):
    """Everything in the JSON that holds nothing else, by its place."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from leaves(entry, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from leaves(entry, f"{pointer}/{index}")
    else:
        yield pointer, value


def set_at(facts, pattern, value):
    """A copy with every leaf and branch under a pattern replaced; `*` is any step."""
    copy = json.loads(json.dumps(facts))

    def walk(holder, steps):
        keys = range(len(holder)) if isinstance(holder, list) else list(holder)
        for key in keys:
            if steps[0] not in ("*", str(key)):
                continue
            if len(steps) == 1:
                holder[key] = value
            elif isinstance(holder[key], dict | list):
                walk(holder[key], steps[1:])

    walk(copy, pattern.split("/"))
    return copy
