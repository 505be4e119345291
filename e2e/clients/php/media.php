<?php

use Twilio\Rest\Client;

// Writes the media of a recording or composition to a file. $link is its links['media'], which answers with a redirect; the file is
// fetched from there without signing in.
function saveMedia(Client $client, string $link, string $path): void
{
    $answer = $client->request('GET', $link);
    if ($answer->getStatusCode() !== 302) {
        throw new Exception("$link answers {$answer->getStatusCode()}");
    }
    copy($answer->getContent()['redirect_to'], $path);
}
