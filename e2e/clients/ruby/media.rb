require 'open-uri'

# Writes the media of a recording or composition to a file. link is its links['media'], which answers with a redirect; the file is
# fetched from there without signing in.
def save_media(client, link, path)
  answer = client.request('video.twilio.com', 443, 'GET', link)
  raise "#{link} answers #{answer.status_code}" unless answer.status_code == 302

  URI(answer.body['redirect_to']).open { |media| IO.copy_stream(media, path) }
end
