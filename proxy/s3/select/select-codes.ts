/**
 * Codes of SelectObjectContent that no other operation has, with status and default message; errors.ts takes them into its
 * table. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#SelectObjectContentErrorCodeList
 */
export const SELECT_CODES = {
  AmbiguousFieldName: [
    400,
    'The field name matches to multiple fields in the file. Check the SQL expression and the file, and try again.',
  ],
  Busy: [503, 'The service is unavailable. Try again later.'],
  CastFailed: [400, 'An attempt to convert from one data type to another using CAST failed in the SQL expression.'],
  CSVEscapingRecordDelimiter: [
    400,
    "A quoted record delimiter was found in the file. To allow quoted record delimiters, set AllowQuotedRecordDelimiter to 'TRUE'.",
  ],
  CSVUnescapedQuote: [
    400,
    "An unescaped quote was found while parsing the CSV file. To allow quoted record delimiters, set AllowQuotedRecordDelimiter to 'TRUE'.",
  ],
  EmptyRequestBody: [400, 'The request body cannot be empty.'],
  EvaluatorBindingDoesNotExist: [400, 'A column name or a path provided does not exist in the SQL expression.'],
  EvaluatorInvalidArguments: [
    400,
    'There is an incorrect number of arguments in the function call in the SQL expression.',
  ],
  EvaluatorInvalidTimestampFormatPatternSymbol: [
    400,
    'The timestamp format pattern contains a symbol in the SQL expression that is not valid.',
  ],
  EvaluatorInvalidTimestampFormatPatternToken: [
    400,
    'The timestamp format pattern contains a token in the SQL expression that is not valid.',
  ],
  EvaluatorLikePatternInvalidEscapeSequence: [400, 'An argument given to the LIKE expression was not valid.'],
  EvaluatorNegativeLimit: [400, 'LIMIT must not be negative.'],
  EvaluatorUnterminatedTimestampFormatPatternToken: [
    400,
    'The timestamp format pattern contains an unterminated token in the SQL expression.',
  ],
  ExpressionTooLong: [400, 'The SQL expression is too long. The maximum byte-length for an SQL expression is 256 KB.'],
  ExternalEvalException: [400, 'The query cannot be evaluated. Check the file and try again.'],
  IncorrectSqlFunctionArgumentType: [
    400,
    'An incorrect argument type was specified in a function call in the SQL expression.',
  ],
  IntegerOverflow: [400, 'An integer overflow or underflow occurred in the SQL expression.'],
  InvalidColumnIndex: [400, 'The column index in the SQL expression is not valid.'],
  InvalidCompressionFormat: [
    400,
    'The file is not in a supported compression format. Only GZIP and BZIP2 are supported.',
  ],
  InvalidDataSource: [400, 'The data source type is not valid. Only CSV, JSON, and Parquet are supported.'],
  InvalidDataType: [400, 'The SQL expression contains a data type that is not valid.'],
  InvalidExpressionType: [400, 'The ExpressionType value is not valid. Only SQL expressions are supported.'],
  InvalidFileHeaderInfo: [400, 'The FileHeaderInfo value is not valid. Only NONE, USE, and IGNORE are supported.'],
  InvalidJsonType: [400, 'The JsonType value is not valid. Only DOCUMENT and LINES are supported.'],
  InvalidKeyPath: [400, 'The key path in the SQL expression is not valid.'],
  InvalidQuoteFields: [400, 'The QuoteFields value is not valid. Only ALWAYS and ASNEEDED are supported.'],
  InvalidRequestParameter: [
    400,
    'The value of a parameter in the SelectRequest element is not valid. Check the service API documentation and try again.',
  ],
  InvalidScanRange: [400, 'The provided scan range is not valid.'],
  InvalidTableAlias: [400, 'The SQL expression contains a table alias that is not valid.'],
  InvalidTextEncoding: [400, 'The encoding type is not valid. Only UTF-8 encoding is supported.'],
  JSONParsingError: [400, 'An error occurred while parsing the JSON file. Check the file and try again.'],
  LexerInvalidChar: [400, 'The SQL expression contains a character that is not valid.'],
  LexerInvalidIONLiteral: [400, 'The SQL expression contains a literal that is not valid.'],
  LexerInvalidLiteral: [400, 'The SQL expression contains a literal that is not valid.'],
  LikeInvalidInputs: [400, 'The argument given to the LIKE clause in the SQL expression is not valid.'],
  MaxOperatorsExceeded: [
    400,
    'Failed to parse SQL expression, try reducing complexity. For example, reduce number of operators used.',
  ],
  MissingHeaderName: [400, 'A header that the SQL expression names is not in the file. Check the file and try again.'],
  MissingRequiredParameter: [
    400,
    'The SelectRequest entity is missing a required parameter. Check the service documentation and try again.',
  ],
  MultipleDataSourcesUnsupported: [400, 'Multiple data sources are not supported.'],
  NumberFormatError: [
    400,
    'An error occurred while parsing a number. This error can be caused by underflow or overflow of integers.',
  ],
  ObjectSerializationConflict: [
    400,
    'InputSerialization specifies more than one format (CSV, JSON, or Parquet), or OutputSerialization specifies more than one format (CSV or JSON). For InputSerialization and OutputSerialization, you can specify only one format for each.',
  ],
  OverMaxRecordSize: [
    400,
    'The length of a record in the input or result is greater than the maxCharsPerRecord limit of 1 MB.',
  ],
  ParseAsteriskIsNotAloneInSelectList: [
    400,
    'Other expressions are not allowed in the SELECT list when * is used without dot notation in the SQL expression.',
  ],
  ParseEmptySelect: [400, 'The SQL expression contains an empty SELECT clause.'],
  ParseExpectedDatePart: [400, 'The expected date part in the SQL expression was not found.'],
  ParseExpectedExpression: [400, 'The expected SQL expression was not found.'],
  ParseExpectedIdentForAlias: [400, 'The expected identifier for the alias in the SQL expression was not found.'],
  ParseExpectedIdentForGroupName: [400, 'GROUP is not supported in the SQL expression.'],
  ParseExpectedLeftParenAfterCast: [
    400,
    'The expected left parenthesis after CAST in the SQL expression was not found.',
  ],
  ParseExpectedNumber: [400, 'The expected number in the SQL expression was not found.'],
  ParseExpectedTypeName: [400, 'The expected type name in the SQL expression was not found.'],
  ParseInvalidContextForWildcardInSelectList: [
    400,
    'The use of * in the SELECT list in the SQL expression is not valid.',
  ],
  ParseInvalidPathComponent: [400, 'The SQL expression contains a path component that is not valid.'],
  ParseMalformedJoin: [400, 'JOIN is not supported in the SQL expression.'],
  ParseNonUnaryAgregateFunctionCall: [
    400,
    'Only one argument is supported for aggregate functions in the SQL expression.',
  ],
  ParseSelectMissingFrom: [400, 'The SQL expression contains a missing FROM after the SELECT list.'],
  ParseUnExpectedKeyword: [400, 'The SQL expression contains an unexpected keyword.'],
  ParseUnexpectedOperator: [400, 'The SQL expression contains an unexpected operator.'],
  ParseUnexpectedToken: [400, 'The SQL expression contains an unexpected token.'],
  ParseUnsupportedCallWithStar: [400, 'Only COUNT with (*) as a parameter is supported in the SQL expression.'],
  TruncatedInput: [
    400,
    'Object decompression failed. Check that the object is properly compressed using the format specified in the request.',
  ],
  UnsupportedFunction: [400, 'S3 encountered an unsupported SQL function.'],
  UnsupportedRangeHeader: [400, 'A range header is not supported for this operation.'],
  UnsupportedScanRangeInput: [400, 'Scan range queries are not supported on this type of object.'],
  UnsupportedSqlOperation: [400, 'S3 encountered an unsupported SQL operation.'],
  UnsupportedSqlStructure: [400, 'S3 encountered an unsupported SQL structure. Check the SQL Reference.'],
  UnsupportedSyntax: [400, 'The syntax is not valid.'],
  ValueParseFailure: [400, 'A timestamp parse failure occurred in the SQL expression.'],
} as const satisfies Readonly<Record<string, readonly [status: number, message: string]>>;
