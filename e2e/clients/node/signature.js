// Asks Twilio's library, for each delivery in a file, whether its signature is right.
const { validateRequest } = require('twilio');
const { readFileSync } = require('fs');

for (const { url, params, signature } of JSON.parse(readFileSync(process.argv[2]))) {
  console.log(validateRequest(process.env.TWILIO_AUTH_TOKEN, signature, url, params));
}
