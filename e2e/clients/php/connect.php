<?php

use Twilio\Rest\Client;

// Twilio's library, with the requests for Twilio's hosts sent to the server at ROOMREEL_URL.
class ServerClient extends Client
{
    public function buildUri(string $uri): string
    {
        return preg_replace('#^https://(video|accounts)\.twilio\.com#', getenv('ROOMREEL_URL'), $uri);
    }
}

// Signed in with an API key.
function connect(?string $secret = null): Client
{
    return new ServerClient(getenv('TWILIO_API_KEY'), $secret ?? getenv('TWILIO_API_SECRET'), getenv('TWILIO_ACCOUNT_SID'));
}
