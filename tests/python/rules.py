"""A second reading of contract §15, for the property tests: rules and a request in, what they come to out.

It is written from the contract alone, naively: sets of possible values are lists, numbers are fractions, patterns are
regular expressions. One JSON object a line on standard input: `{"rules": [...], "given": {...}}`; one word a line on
standard output: `allow`, `deny ID` or `step_up ID`.
"""

import json
import re
import sys
from fractions import Fraction

FALSE, UNKNOWN, TRUE = 0, 1, 2
MISSING = object()
OTHER_KIND = object()
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Odd:
    """There, and nobody can tell what it is."""


def text_of(template, given):
    """The template with the caller in it; None: nobody knows."""
    out, rest = "", template
    while True:
        match = re.search(r"\{(user|tenant|client)\}", rest)
        if not match:
            return out + rest
        value = given.get(match.group(1), MISSING)
        if value is MISSING:
            return None
        out += rest[: match.start()] + value
        rest = rest[match.end() :]


def pattern_of(template, given):
    """A regular expression; None: nobody knows."""
    pieces = re.split(r"(\*|\{user\}|\{tenant\}|\{client\})", template)
    pieces = [piece for piece in pieces if piece]
    out = ""
    for at, piece in enumerate(pieces):
        if piece == "*":
            out += "(?s:.+)" if at + 1 == len(pieces) else "[^/]+"
        elif piece.startswith("{"):
            value = given.get(piece[1:-1], MISSING)
            if value is MISSING:
                return None
            out += re.escape(value)
        else:
            out += re.escape(piece)
    return re.compile(out)


def destination(path):
    if not path.startswith("/") or any(c in path for c in "\\%\0"):
        return None
    out = []
    for segment in path.split("/"):
        if segment in ("", "."):
            continue
        if segment == "..":
            if not out:
                return None
            out.pop()
        else:
            out.append(segment)
    return "/" + "/".join(out)


def compare(operand, value, given, how):
    if operand.startswith("/"):
        value = destination(value)
        if value is None:
            return UNKNOWN
    if how == "glob":
        pattern = pattern_of(operand, given)
        return UNKNOWN if pattern is None else TRUE if pattern.fullmatch(value) else FALSE
    wanted = text_of(operand, given)
    if wanted is None:
        return UNKNOWN
    holds = {"is": value == wanted, "prefix": value.startswith(wanted), "suffix": value.endswith(wanted)}[how]
    return TRUE if holds else FALSE


def is_number(value):
    return isinstance(value, (int, float, Fraction)) and not isinstance(value, bool)


def one_is(operand, value, given):
    if isinstance(value, bool) or isinstance(operand, bool):
        same = isinstance(value, bool) and isinstance(operand, bool)
        return UNKNOWN if not same else TRUE if value == operand else FALSE
    if is_number(value) or is_number(operand):
        same = is_number(value) and is_number(operand)
        return UNKNOWN if not same else TRUE if Fraction(value) == Fraction(operand) else FALSE
    return compare(operand, value, given, "is")


def operator(name, operand, value, given):
    if name == "exists":
        return TRUE if (value is not MISSING and value is not OTHER_KIND) == operand else FALSE
    if value is OTHER_KIND:
        return FALSE
    if value is MISSING or value is Odd or value is None or isinstance(value, dict):
        return UNKNOWN
    if isinstance(value, list):
        if name not in ("contains", "subset_of"):
            return UNKNOWN
        if len(value) > 500 or not all(isinstance(item, str) for item in value):
            return UNKNOWN
        wanted = [operand] if isinstance(operand, str) else operand
        texts = [text_of(one, given) for one in wanted]
        if name == "contains":
            return min([UNKNOWN if one is None else TRUE if one in value else FALSE for one in texts])
        if all(item in texts for item in value):
            return TRUE
        return UNKNOWN if None in texts else FALSE
    if name in ("contains", "subset_of"):
        return UNKNOWN
    if name == "is":
        return one_is(operand, value, given)
    if name == "in":
        return max(one_is(one, value, given) for one in operand)
    if name in ("min", "max", "between"):
        if not is_number(value):
            return UNKNOWN
        low, high = {"min": (operand, None), "max": (None, operand)}.get(name) or operand
        above = low is None or Fraction(value) >= Fraction(low)
        below = high is None or Fraction(value) <= Fraction(high)
        return TRUE if above and below else FALSE
    if not isinstance(value, str):
        return UNKNOWN
    return compare(operand, value, given, name)


def pointer(document, path):
    for token in path.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            if any(name != token and name.lower() == token.lower() for name in document):
                return Odd
            if token not in document:
                return MISSING
            document = document[token]
        elif isinstance(document, list) and re.fullmatch(r"0|[1-9][0-9]*", token) and int(token) < len(document):
            document = document[int(token)]
        else:
            return MISSING
    return document


def field(name, given):
    if name in ("tool", "prompt", "resource"):
        return given.get(name, OTHER_KIND)
    if name in ("groups", "scopes"):
        return given.get(name, [])
    if name == "machine":
        return given.get(name, False)
    return given.get(name, MISSING)


def seconds(text):
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]


def holds(condition, given):
    values = []
    for name, inner in condition.items():
        if name == "auth_age":
            inner = {one: seconds(operand) if isinstance(operand, str) else operand for one, operand in inner.items()}
        if name == "any":
            values.append(max(holds(one, given) for one in inner))
        elif name == "not":
            values.append(TRUE - holds(inner, given))
        elif name == "time":
            values.append(TRUE if is_time(inner, given) else FALSE)
        elif name == "arguments":
            for path, operators in inner.items():
                value = OTHER_KIND
                if "tool" in given or "prompt" in given:
                    arguments = given.get("arguments")
                    value = MISSING if arguments is None else pointer(arguments, path)
                values.extend(operator(name, operand, value, given) for name, operand in operators.items())
        else:
            value = field(name, given)
            values.extend(operator(one, operand, value, given) for one, operand in inner.items())
    return min(values)


def minutes(text):
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def is_time(hours, given):
    offset = 0
    if hours["zone"] != "UTC":
        offset = minutes(hours["zone"][1:]) * (1 if hours["zone"][0] == "+" else -1)
    days, minute = divmod(given["now"] // 60 + offset, 24 * 60)
    wanted = hours.get("days", WEEK)
    today, yesterday = WEEK[(days + 3) % 7] in wanted, WEEK[(days + 2) % 7] in wanted
    text = hours.get("inside") or hours.get("outside")
    if text is None:
        return today
    begin, end = (minutes(part) for part in text.split("-"))
    if end in (0, 24 * 60):
        end = 0
    if begin < end:
        early, late = begin <= minute < end, False
    else:
        early, late = minute >= begin, minute < end
    if "inside" in hours:
        return (early and today) or (late and yesterday)
    return not early and not late and today


def judge(rules, given):
    denied, narrowed, allowed, steps = [], [], False, []
    for rule in rules:
        if "routes" in rule and given["route"] not in rule["routes"]:
            continue
        if "tools" in rule and given.get("tool") not in rule["tools"]:
            continue
        if rule.get("mode") == "watch":
            continue
        if "deny" in rule and holds(rule["deny"], given) != FALSE:
            denied.append(rule["id"])
        fits = TRUE
        if "allow" in rule:
            narrowed.append(rule["id"])
            fits = holds(rule["allow"], given)
            allowed = allowed or fits == TRUE
        if "step_up" in rule and fits != FALSE and not is_met(rule["step_up"], given):
            steps.append(rule["id"])
    if denied:
        return "deny " + min(denied)
    if narrowed and not allowed:
        return "deny " + min(narrowed)
    return "step_up " + min(steps) if steps else "allow"


def is_met(step_up, given):
    if "max_age" in step_up and not ("auth_age" in given and given["auth_age"] <= seconds(step_up["max_age"])):
        return False
    return "acr" not in step_up or given.get("acr") in step_up["acr"]


def main():
    for line in sys.stdin:
        case = json.loads(line)
        print(judge(case["rules"], case["given"]), flush=False)


if __name__ == "__main__":
    main()
