# Asks Twilio's library, for each delivery in a file, whether its signature is right.
require 'json'
require 'twilio-ruby'

validator = Twilio::Security::RequestValidator.new(ENV.fetch('TWILIO_AUTH_TOKEN'))
JSON.parse(File.read(ARGV[0])).each do |delivery|
  puts validator.validate(delivery['url'], delivery['params'], delivery['signature'])
end
