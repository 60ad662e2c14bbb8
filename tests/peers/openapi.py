"""Checks a file against the schema of OpenAPI. usage: openapi.py FILE"""

import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

with open(sys.argv[1], encoding="utf-8") as file:
    errors = list(OpenAPIV31SpecValidator(json.load(file)).iter_errors())
for error in errors:
    print(error.message)
sys.exit(1 if errors else 0)
