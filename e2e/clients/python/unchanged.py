"""A program that does not know roomreel: it uses video.twilio.com and accounts.twilio.com."""
import os

from twilio.rest import Client

client = Client(os.environ["TWILIO_API_KEY"], os.environ["TWILIO_API_SECRET"], os.environ["TWILIO_ACCOUNT_SID"])
for name in "one", "two", "three":
    client.video.v1.rooms.create(unique_name=name)
rooms = client.video.v1.rooms.list(page_size=2)
credentials = client.accounts.v1.credentials.aws.list()
print(*[room.unique_name for room in rooms], len(credentials))
