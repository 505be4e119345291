"""Asks Twilio's library, for each delivery in a file, whether its signature is right."""
import json
import os
import sys

from twilio.request_validator import RequestValidator

validator = RequestValidator(os.environ["TWILIO_AUTH_TOKEN"])
with open(sys.argv[1]) as file:
    for delivery in json.load(file):
        print(validator.validate(delivery["url"], delivery["params"], delivery["signature"]))
