const twilio = require('twilio');

// Twilio's library, signed in with an API key at the server at ROOMREEL_URL.
function connect({ ROOMREEL_URL, TWILIO_ACCOUNT_SID, TWILIO_API_KEY, TWILIO_API_SECRET } = process.env) {
  const client = twilio(TWILIO_API_KEY, TWILIO_API_SECRET, { accountSid: TWILIO_ACCOUNT_SID });
  client.video.baseUrl = ROOMREEL_URL;
  client.accounts.baseUrl = ROOMREEL_URL;
  return client;
}

module.exports = { connect };
