require 'twilio-ruby'

# Twilio's library, with the requests for Twilio's hosts sent to the server at ROOMREEL_URL.
class ServerClient < Twilio::REST::Client
  def build_uri(uri)
    uri.sub(%r{\Ahttps://(video|accounts)\.twilio\.com}, ENV.fetch('ROOMREEL_URL'))
  end
end

# Signed in with an API key.
def connect(secret = ENV.fetch('TWILIO_API_SECRET'))
  ServerClient.new(ENV.fetch('TWILIO_API_KEY'), secret, ENV.fetch('TWILIO_ACCOUNT_SID'))
end
