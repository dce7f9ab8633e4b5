"""Says the outcome of checks in lines that programs.mjs reads, and has what programs in Python share."""

import base64
import os
import sys
import traceback

_checks = _failures = 0


def check(name):
    """Runs the function below it, at once."""

    def run(function):
        global _checks, _failures
        _checks += 1
        try:
            function()
            print(f"ok {_checks} - {name}", flush=True)
        except Exception:
            _failures += 1
            words = traceback.format_exc()[-2000:].rstrip().replace("\n", "\n# ")
            print(f"not ok {_checks} - {name}\n# {words}", flush=True)

    return run


def same(got, expected):
    assert got == expected, f"got {got!r:.300}, not {expected!r:.300}"


def fails(number, function, *args, **named):
    """What is called must raise an error whose first argument, or errno, is this number."""
    try:
        function(*args, **named)
    except Exception as error:
        same(getattr(error, "errno", None) or error.args[0], number)
    else:
        raise AssertionError(f"no error {number}")


def done():
    print(f"1..{_checks}")
    sys.exit(1 if _failures else 0)


TEXTS = [base64.b64decode(text).decode() for text in os.environ["TEXTS"].split(" ")]
NAME = os.environ["NAME"]
SERVER = {"host": os.environ["COMETQL_HOST"], "port": int(os.environ["COMETQL_PORT"]), "database": "CometQL_v1"}
ACCOUNT = {"user": os.environ["COMETQL_LOGIN"], "password": os.environ["COMETQL_PASSWORD"]}
SHOP = {"user": os.environ["COMETQL_SHOP_LOGIN"], "password": os.environ["COMETQL_SHOP_PASSWORD"]}
INSERT = "INSERT INTO pipes_messages (name, event, message) VALUES (%s, %s, %s)"
