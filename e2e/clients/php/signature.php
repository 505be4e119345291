<?php
// Asks Twilio's library, for each delivery in a file, whether its signature is right.
require getenv('TWILIO_LIBRARY');

$validator = new Twilio\Security\RequestValidator(getenv('TWILIO_AUTH_TOKEN'));
foreach (json_decode(file_get_contents($argv[1]), true) as $delivery) {
    echo $validator->validate($delivery['signature'], $delivery['url'], $delivery['params']) ? "true\n" : "false\n";
}
