"""Go's templates, as far as the chart goes: `if`, `else`, `range` over lists, pipelines, and some of Helm's functions.

Whatever else a template uses is an error, so that the chart stays within what is tested here.
"""

import hashlib
import json
import re

import yaml


class Failed(Exception):
    """What the chart's own `fail` says."""


def render(text, values):
    """The text of a template, with `values` as its dot."""
    nodes, rest = parse(tokens(text))
    if rest:
        raise ValueError(f"{rest[0]} has no beginning")
    return "".join(emit(nodes, values))


def tokens(text):
    """Texts and actions in turn; white space is trimmed as the actions say."""
    found, at, trim = [], 0, False
    for action in re.finditer(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", text, re.DOTALL):
        before = text[at : action.start()]
        before = before.lstrip() if trim else before
        before = before.rstrip() if action[1] else before
        found += [("text", before), ("action", action[2])]
        at, trim = action.end(), bool(action[3])
    after = text[at:]
    return found + [("text", after.lstrip() if trim else after)]


def parse(rest):
    """A tree of what comes until `else` or `end`, and what is left from there on."""
    nodes = []
    while rest:
        kind, content = rest[0]
        word = content.split(" ", 1)[0] if kind == "action" else None
        if word in ("else", "end"):
            return nodes, rest
        rest = rest[1:]
        if word in ("if", "range"):
            then, rest = parse(rest)
            otherwise = []
            if rest[0][1] == "else":
                otherwise, rest = parse(rest[1:])
            if rest[0][1] != "end":
                raise ValueError(f"{content} has no end")
            nodes.append((word, content.split(" ", 1)[1], then, otherwise))
            rest = rest[1:]
        else:
            nodes.append((kind, content))
    return nodes, []


def emit(nodes, dot):
    for node in nodes:
        if node[0] == "text":
            yield node[1]
        elif node[0] == "action":
            yield text_of(evaluate(node[1], dot))
        elif node[0] == "if":
            yield from emit(node[2] if evaluate(node[1], dot) else node[3], dot)
        else:
            for item in evaluate(node[1], dot):
                yield from emit(node[2], item)


def text_of(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def fail(what):
    raise Failed(what)


FUNCTIONS = {
    "default": lambda otherwise, value: value or otherwise,
    "fail": fail,
    "gt": lambda one, other: one > other,
    "int": int,
    "ne": lambda one, other: one != other,
    "nindent": lambda width, text: "\n" + "\n".join(" " * width + line for line in text.split("\n")),
    "not": lambda value: not value,
    "quote": json.dumps,
    "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "toYaml": lambda value: yaml.safe_dump(value, sort_keys=True).rstrip("\n"),
}


def evaluate(pipeline, dot):
    """The value of a pipeline: each command gets what came before as its last argument."""
    commands, words = [[]], re.findall(r'"[^"]*"|[()|]|[^\s()|]+', pipeline)
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word, 0)
        if word == "|" and depth == 0:
            commands.append([])
        else:
            commands[-1].append(word)
    value = command(commands[0], dot, [])
    for words in commands[1:]:
        value = command(words, dot, [value])
    return value


def command(words, dot, last):
    arguments, at = [], 0
    while at < len(words):
        if words[at] == "(":
            end = words.index(")", at)
            arguments.append(evaluate(" ".join(words[at + 1 : end]), dot))
            at = end
        else:
            arguments.append(words[at] if at == 0 and words[0] in FUNCTIONS else operand(words[at], dot))
        at += 1
    if words[0] in FUNCTIONS:
        return FUNCTIONS[words[0]](*arguments[1:], *last)
    if len(arguments) > 1 or last:
        raise ValueError(f"no function {words[0]} is known here")
    return arguments[0]


def operand(word, dot):
    if word.startswith('"'):
        return json.loads(word)
    if word.isdigit():
        return int(word)
    if not word.startswith("."):
        raise ValueError(f"no function {word} is known here")
    for key in word.strip(".").split("."):
        dot = dot[key]
    return dot
