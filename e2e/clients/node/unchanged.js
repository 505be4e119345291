// A program that does not know roomreel: it uses video.twilio.com and accounts.twilio.com.
const { TWILIO_ACCOUNT_SID, TWILIO_API_KEY, TWILIO_API_SECRET } = process.env;
const client = require('twilio')(TWILIO_API_KEY, TWILIO_API_SECRET, { accountSid: TWILIO_ACCOUNT_SID });

(async () => {
  for (const uniqueName of ['one', 'two', 'three']) await client.video.v1.rooms.create({ uniqueName });
  const rooms = await client.video.v1.rooms.list({ pageSize: 2 });
  const credentials = await client.accounts.v1.credentials.aws.list();
  console.log(rooms.map((room) => room.uniqueName).join(' '), credentials.length);
})();
