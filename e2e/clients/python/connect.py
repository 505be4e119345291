import os

from twilio.rest import Client


def connect(secret=os.environ["TWILIO_API_SECRET"]):
    """Twilio's library, signed in with an API key at the server at ROOMREEL_URL."""
    client = Client(os.environ["TWILIO_API_KEY"], secret, os.environ["TWILIO_ACCOUNT_SID"])
    client.video.base_url = os.environ["ROOMREEL_URL"]
    client.accounts.base_url = os.environ["ROOMREEL_URL"]
    return client
