import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.twilio.security.RequestValidator;
import java.io.File;
import java.util.HashMap;
import java.util.Map;

/** Asks Twilio's library, for each delivery in a file, whether its signature is right. */
class Signature {
    public static void main(String[] arguments) throws Exception {
        RequestValidator validator = new RequestValidator(System.getenv("TWILIO_AUTH_TOKEN"));
        for (JsonNode delivery : new ObjectMapper().readTree(new File(arguments[0]))) {
            Map<String, String> params = new HashMap<>();
            delivery.get("params").fields().forEachRemaining(field -> params.put(field.getKey(), field.getValue().asText()));
            System.out.println(validator.validate(delivery.get("url").asText(), params, delivery.get("signature").asText()));
        }
    }
}
