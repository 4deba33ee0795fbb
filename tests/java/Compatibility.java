import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.avro.NameValidator;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.Incompatibility;
import org.apache.avro.SchemaCompatibility.SchemaCompatibilityResult;

/**
 * What Avro's Java library says: one line {"reader": text, "writer": text} in, one line out:
 * {"verdict": "compatible" | "incompatible" | "throws" | "unparsable", "breaks": [[type, location]...], "strict": bool}.
 * strict: both schemas pass Java's parser as it is by default, which checks names and defaults.
 */
class Compatibility {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static boolean strict;

  public static void main(String[] arguments) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JsonNode pair = JSON.readTree(line);
      out.println(JSON.writeValueAsString(answer(pair.get("reader").textValue(), pair.get("writer").textValue())));
    }
    out.flush();
  }

  private static ObjectNode answer(String reader, String writer) {
    ObjectNode answer = JSON.createObjectNode();
    ArrayNode breaks = answer.putArray("breaks");
    strict = true;
    Schema readerSchema;
    Schema writerSchema;
    try {
      readerSchema = parse(reader);
      writerSchema = parse(writer);
    } catch (Throwable error) {
      return answer.put("verdict", "unparsable").put("error", String.valueOf(error));
    }
    answer.put("strict", strict);
    try {
      SchemaCompatibilityResult result =
          SchemaCompatibility.checkReaderWriterCompatibility(readerSchema, writerSchema).getResult();
      for (Incompatibility one : result.getIncompatibilities()) {
        breaks.addArray().add(one.getType().name()).add(one.getLocation());
      }
      return answer.put("verdict", result.getCompatibility().name().toLowerCase());
    } catch (Throwable error) {
      return answer.put("verdict", "throws").put("error", String.valueOf(error.getMessage()));
    }
  }

  private static Schema parse(String text) {
    try {
      return new Schema.Parser().parse(text);
    } catch (Throwable error) {
      strict = false;
      return new Schema.Parser(NameValidator.NO_VALIDATION).setValidateDefaults(false).parse(text);
    }
  }
}
