-- The schema that the migrations make. Written by: python -m tests.house.schema
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

COMMENT ON EXTENSION pg_trgm IS 'text similarity measurement and index searching based on trigrams';

CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA public;

COMMENT ON EXTENSION unaccent IS 'text search dictionary that removes accents';

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';

CREATE FUNCTION public.app_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.tenant_id', true), '')::uuid $$;

CREATE FUNCTION public.app_user() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.user_id', true), '')::uuid $$;

CREATE TEXT SEARCH DICTIONARY public.fr_stop (
    TEMPLATE = pg_catalog.simple,
    stopwords = 'french', accept = 'false' );

CREATE TEXT SEARCH CONFIGURATION public.fr (
    PARSER = pg_catalog."default" );

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR asciiword WITH public.fr_stop, public.unaccent, french_stem;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR word WITH public.fr_stop, public.unaccent, french_stem;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR numword WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR email WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR url WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR host WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR sfloat WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR version WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR hword_numpart WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR hword_part WITH public.fr_stop, public.unaccent, french_stem;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR hword_asciipart WITH public.fr_stop, public.unaccent, french_stem;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR numhword WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR asciihword WITH public.fr_stop, public.unaccent, french_stem;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR hword WITH public.fr_stop, public.unaccent, french_stem;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR url_path WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR file WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR "float" WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR "int" WITH simple;

ALTER TEXT SEARCH CONFIGURATION public.fr
    ADD MAPPING FOR uint WITH simple;

CREATE TABLE public.agent_vectors (
    tenant_id uuid NOT NULL,
    agent_version_id uuid NOT NULL,
    embedding_model text NOT NULL,
    vectors bytea NOT NULL
);

ALTER TABLE ONLY public.agent_vectors FORCE ROW LEVEL SECURITY;

CREATE TABLE public.agent_versions (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    agent_id uuid NOT NULL,
    number integer,
    name text NOT NULL,
    description text NOT NULL,
    persona text NOT NULL,
    greeting text NOT NULL,
    language text DEFAULT 'fr'::text NOT NULL,
    keywords text[] DEFAULT '{}'::text[] NOT NULL,
    examples text[] DEFAULT '{}'::text[] NOT NULL,
    models text[] DEFAULT '{}'::text[] NOT NULL,
    temperature real DEFAULT 0.3 NOT NULL,
    fallback_message text NOT NULL,
    composer_intro text NOT NULL,
    legacy_type text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    published_at timestamp with time zone,
    type text DEFAULT 'custom'::text NOT NULL,
    voice_provider text DEFAULT 'default'::text NOT NULL,
    voice_id text DEFAULT 'female'::text NOT NULL,
    voice_language text DEFAULT 'fr-FR'::text NOT NULL,
    voice_settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    enable_appointments boolean DEFAULT false NOT NULL,
    enable_products boolean DEFAULT false NOT NULL,
    based_on integer,
    saved_at timestamp with time zone DEFAULT now() NOT NULL,
    author_id uuid,
    CONSTRAINT agent_versions_language_check CHECK ((language = ANY (ARRAY['fr'::text, 'en'::text]))),
    CONSTRAINT agent_versions_legacy_type_check CHECK ((legacy_type = ANY (ARRAY['creation'::text, 'automation'::text]))),
    CONSTRAINT agent_versions_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT agent_versions_number_check CHECK ((number > 0)),
    CONSTRAINT agent_versions_temperature_check CHECK (((temperature >= (0)::double precision) AND (temperature <= (2)::double precision))),
    CONSTRAINT agent_versions_type_check CHECK ((type = ANY (ARRAY['multi_purpose'::text, 'real_estate_reception'::text, 'appointment_booking'::text, 'phone_reception'::text, 'customer_support'::text, 'custom'::text]))),
    CONSTRAINT agent_versions_voice_id_check CHECK (((length(voice_id) >= 1) AND (length(voice_id) <= 200))),
    CONSTRAINT agent_versions_voice_language_check CHECK ((voice_language ~ '^(fr|en)(-[A-Z]{2})?$'::text)),
    CONSTRAINT agent_versions_voice_provider_check CHECK (((length(voice_provider) >= 1) AND (length(voice_provider) <= 50)))
);

ALTER TABLE ONLY public.agent_versions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.agents (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    key text NOT NULL,
    "position" integer DEFAULT 0 NOT NULL,
    live_version_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    CONSTRAINT agents_key_check CHECK (((key ~ '^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$'::text) AND (key <> ALL (ARRAY['auto'::text, 'escalate'::text]))))
);

ALTER TABLE ONLY public.agents FORCE ROW LEVEL SECURITY;

CREATE TABLE public.api_keys (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    secret_hash bytea NOT NULL,
    last_four text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100)))
);

ALTER TABLE ONLY public.api_keys FORCE ROW LEVEL SECURITY;

CREATE TABLE public.attempts (
    subject text NOT NULL,
    hits timestamp with time zone[] NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.attempts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.audit_events (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid,
    action text NOT NULL,
    about text,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT audit_events_about_check CHECK (((length(about) >= 1) AND (length(about) <= 200))),
    CONSTRAINT audit_events_action_check CHECK (((length(action) >= 1) AND (length(action) <= 100))),
    CONSTRAINT audit_events_actor_kind_check CHECK ((actor_kind = ANY (ARRAY['user'::text, 'api_key'::text, 'operator'::text])))
);

ALTER TABLE ONLY public.audit_events FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors (
    tenant_id uuid NOT NULL,
    chunk_id uuid NOT NULL,
    slot smallint NOT NULL,
    weight real NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    in_graph boolean DEFAULT false NOT NULL,
    embedding public.halfvec(384) NOT NULL
)
PARTITION BY HASH (tenant_id);

ALTER TABLE ONLY public.chunk_vectors FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_00 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_00 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_01 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_01 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_02 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_02 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_03 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_03 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_04 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_04 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_05 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_05 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_06 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_06 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_07 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_07 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_08 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_08 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_09 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_09 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_10 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_10 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_11 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_11 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_12 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_12 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_13 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_13 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_14 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_14 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunk_vectors_15 (
    tenant_id uuid CONSTRAINT chunk_vectors_tenant_id_not_null NOT NULL,
    chunk_id uuid CONSTRAINT chunk_vectors_chunk_id_not_null NOT NULL,
    slot smallint CONSTRAINT chunk_vectors_slot_not_null NOT NULL,
    weight real CONSTRAINT chunk_vectors_weight_not_null NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] CONSTRAINT chunk_vectors_agent_ids_not_null NOT NULL,
    in_graph boolean DEFAULT false CONSTRAINT chunk_vectors_in_graph_not_null NOT NULL,
    embedding public.halfvec(384) CONSTRAINT chunk_vectors_embedding_not_null NOT NULL
);

ALTER TABLE ONLY public.chunk_vectors_15 FORCE ROW LEVEL SECURITY;

CREATE TABLE public.chunks (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    document_id uuid NOT NULL,
    "position" integer NOT NULL,
    kind text NOT NULL,
    heading text NOT NULL,
    question text,
    text text NOT NULL,
    lexeme_count integer NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    CONSTRAINT chunks_kind_check CHECK ((kind = ANY (ARRAY['text'::text, 'table_row'::text, 'qa'::text])))
);

ALTER TABLE ONLY public.chunks FORCE ROW LEVEL SECURITY;

CREATE TABLE public.closures (
    tenant_id uuid NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    reason text,
    CONSTRAINT closures_check CHECK ((starts_on <= ends_on)),
    CONSTRAINT closures_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 200)))
);

ALTER TABLE ONLY public.closures FORCE ROW LEVEL SECURITY;

CREATE TABLE public.conversation_words (
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    words tsvector NOT NULL
);
ALTER TABLE ONLY public.conversation_words ALTER COLUMN words SET STORAGE MAIN;

ALTER TABLE ONLY public.conversation_words FORCE ROW LEVEL SECURITY;

CREATE TABLE public.conversations (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    external_id text NOT NULL,
    customer_id uuid NOT NULL,
    channel text NOT NULL,
    agent_id uuid,
    next_seq integer DEFAULT 1 NOT NULL,
    opportunity_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_message_at timestamp with time zone DEFAULT now() NOT NULL,
    identity text,
    identity_email text,
    identified_at timestamp with time zone,
    words_at timestamp with time zone,
    CONSTRAINT conversations_channel_check CHECK ((channel = ANY (ARRAY['chat_v2'::text, 'webhook_v1'::text, 'openai'::text, 'cli'::text])))
);

ALTER TABLE ONLY public.conversations FORCE ROW LEVEL SECURITY;

CREATE TABLE public.crawled_pages (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    "position" integer NOT NULL,
    url text NOT NULL,
    media_type text NOT NULL,
    body bytea NOT NULL
);

ALTER TABLE ONLY public.crawled_pages FORCE ROW LEVEL SECURITY;

CREATE TABLE public.crawls (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    generation integer NOT NULL,
    frontier jsonb NOT NULL,
    pages_done integer DEFAULT 0 NOT NULL,
    bytes_done bigint DEFAULT 0 NOT NULL,
    finished_at timestamp with time zone
);

ALTER TABLE ONLY public.crawls FORCE ROW LEVEL SECURITY;

CREATE TABLE public.customer_identities (
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    customer_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT customer_identities_kind_check CHECK ((kind = ANY (ARRAY['external_id'::text, 'email'::text, 'phone'::text])))
);

ALTER TABLE ONLY public.customer_identities FORCE ROW LEVEL SECURITY;

CREATE TABLE public.customers (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    name text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY public.customers FORCE ROW LEVEL SECURITY;

CREATE TABLE public.documents (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    "position" integer NOT NULL,
    title text NOT NULL,
    url text,
    content_sha256 bytea NOT NULL,
    failure_code text,
    failure_values jsonb,
    chunk_count integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY public.documents FORCE ROW LEVEL SECURITY;

CREATE TABLE public.embedded_texts (
    tenant_id uuid NOT NULL,
    embedding_model text NOT NULL,
    purpose text NOT NULL,
    text_sha256 bytea NOT NULL,
    vector bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT embedded_texts_purpose_check CHECK ((purpose = ANY (ARRAY['query'::text, 'passage'::text])))
);

ALTER TABLE ONLY public.embedded_texts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.exam_questions (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    exam_id uuid NOT NULL,
    "position" smallint NOT NULL,
    question text NOT NULL,
    topic text DEFAULT ''::text NOT NULL,
    about text DEFAULT ''::text NOT NULL,
    origin text NOT NULL,
    verdict text,
    answer text DEFAULT ''::text NOT NULL,
    agent_key text,
    agent_name text,
    score real,
    sources jsonb DEFAULT '[]'::jsonb NOT NULL,
    conflict jsonb,
    resolved_at timestamp with time zone,
    CONSTRAINT exam_questions_check CHECK (((verdict IS DISTINCT FROM 'contradiction'::text) OR (conflict IS NOT NULL))),
    CONSTRAINT exam_questions_origin_check CHECK ((origin = ANY (ARRAY['pack'::text, 'content'::text, 'model'::text]))),
    CONSTRAINT exam_questions_question_check CHECK (((length(question) >= 1) AND (length(question) <= 500))),
    CONSTRAINT exam_questions_verdict_check CHECK ((verdict = ANY (ARRAY['answered'::text, 'missed'::text, 'gap'::text, 'contradiction'::text])))
);

ALTER TABLE ONLY public.exam_questions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.exam_tests (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    question text NOT NULL,
    question_sha256 bytea NOT NULL,
    expected text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    run_at timestamp with time zone,
    has_passed boolean,
    CONSTRAINT exam_tests_expected_check CHECK (((length(expected) >= 1) AND (length(expected) <= 4000))),
    CONSTRAINT exam_tests_question_check CHECK (((length(question) >= 1) AND (length(question) <= 500)))
);

ALTER TABLE ONLY public.exam_tests FORCE ROW LEVEL SECURITY;

CREATE TABLE public.exams (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    failure_code text,
    locale text NOT NULL,
    pages integer DEFAULT 0 NOT NULL,
    prices integer DEFAULT 0 NOT NULL,
    found_topics text[] DEFAULT '{}'::text[] NOT NULL,
    missing_topics text[] DEFAULT '{}'::text[] NOT NULL,
    prompt_tokens integer DEFAULT 0 NOT NULL,
    completion_tokens integer DEFAULT 0 NOT NULL,
    cost_microeur bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    CONSTRAINT exams_check CHECK (((state = 'failed'::text) = (failure_code IS NOT NULL))),
    CONSTRAINT exams_check1 CHECK (((state = ANY (ARRAY['done'::text, 'failed'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT exams_locale_check CHECK ((locale = ANY (ARRAY['fr'::text, 'en'::text]))),
    CONSTRAINT exams_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'asking'::text, 'done'::text, 'failed'::text])))
);

ALTER TABLE ONLY public.exams FORCE ROW LEVEL SECURITY;

CREATE TABLE public.feedback (
    tenant_id uuid NOT NULL,
    turn_id uuid NOT NULL,
    score smallint NOT NULL,
    comment text,
    given_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT feedback_score_check CHECK ((score = ANY (ARRAY['-1'::integer, 1])))
);

ALTER TABLE ONLY public.feedback FORCE ROW LEVEL SECURITY;

CREATE TABLE public.handoffs (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    reason text NOT NULL,
    email text,
    phone text,
    note text,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    mailed_at timestamp with time zone,
    closed_at timestamp with time zone,
    claimed_at timestamp with time zone,
    claimed_by uuid,
    closed_by uuid,
    seen_seq integer DEFAULT 0 NOT NULL,
    replies_mailed_seq integer DEFAULT 0 NOT NULL
);

ALTER TABLE ONLY public.handoffs FORCE ROW LEVEL SECURITY;

CREATE TABLE public.invitations (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    token_hash bytea,
    invited_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    mailed_at timestamp with time zone,
    accepted_at timestamp with time zone,
    CONSTRAINT invitations_email_check CHECK (((length(email) >= 3) AND (length(email) <= 254))),
    CONSTRAINT invitations_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text])))
);

ALTER TABLE ONLY public.invitations FORCE ROW LEVEL SECURITY;

CREATE TABLE public.knowledge_bases (
    tenant_id uuid NOT NULL,
    embedding_model text NOT NULL,
    chunk_count integer DEFAULT 0 NOT NULL,
    lexeme_count bigint DEFAULT 0 NOT NULL,
    has_graph boolean DEFAULT false NOT NULL,
    answer_threshold real DEFAULT 0.30 NOT NULL,
    calibrated_from integer DEFAULT 0 NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    calibrated_as_of timestamp with time zone
);

ALTER TABLE ONLY public.knowledge_bases FORCE ROW LEVEL SECURITY;

CREATE TABLE public.knowledge_gaps (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    question text NOT NULL,
    question_sha256 bytea NOT NULL,
    best_score real,
    asked_count integer DEFAULT 1 NOT NULL,
    first_asked_at timestamp with time zone DEFAULT now() NOT NULL,
    last_asked_at timestamp with time zone DEFAULT now() NOT NULL,
    settled_as text,
    settled_at timestamp with time zone
);

ALTER TABLE ONLY public.knowledge_gaps FORCE ROW LEVEL SECURITY;

CREATE TABLE public.lexemes (
    tenant_id uuid NOT NULL,
    lexeme text NOT NULL COLLATE pg_catalog."C",
    reversed text GENERATED ALWAYS AS (reverse(lexeme)) STORED NOT NULL COLLATE pg_catalog."C",
    chunk_count integer NOT NULL,
    CONSTRAINT lexemes_chunk_count_check CHECK ((chunk_count >= 0))
);

ALTER TABLE ONLY public.lexemes FORCE ROW LEVEL SECURITY;

CREATE TABLE public.memberships (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT memberships_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text])))
);

ALTER TABLE ONLY public.memberships FORCE ROW LEVEL SECURITY;

CREATE TABLE public.messages (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    seq integer NOT NULL,
    turn_id uuid,
    author text NOT NULL,
    agent_id uuid,
    text text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    user_id uuid,
    CONSTRAINT messages_author_check CHECK ((author = ANY (ARRAY['customer'::text, 'agent'::text, 'person'::text])))
);

ALTER TABLE ONLY public.messages FORCE ROW LEVEL SECURITY;

CREATE TABLE public.model_calls (
    tenant_id uuid NOT NULL,
    turn_id uuid NOT NULL,
    lease_id uuid NOT NULL,
    "position" smallint NOT NULL,
    task text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    outcome text NOT NULL,
    first_token_ms integer,
    duration_ms integer NOT NULL,
    prompt_tokens integer NOT NULL,
    completion_tokens integer NOT NULL,
    cost_microeur bigint NOT NULL,
    estimated boolean NOT NULL
);

ALTER TABLE ONLY public.model_calls FORCE ROW LEVEL SECURITY;

CREATE TABLE public.onboarding_events (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    session_id uuid NOT NULL,
    step text NOT NULL,
    kind text NOT NULL,
    code text,
    happened_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT onboarding_events_check CHECK (((kind = 'failed'::text) = (code IS NOT NULL))),
    CONSTRAINT onboarding_events_kind_check CHECK ((kind = ANY (ARRAY['entered'::text, 'saved'::text, 'failed'::text]))),
    CONSTRAINT onboarding_events_step_check CHECK ((step = ANY (ARRAY['business'::text, 'staff'::text, 'assistant'::text, 'knowledge'::text, 'complete'::text])))
);

ALTER TABLE ONLY public.onboarding_events FORCE ROW LEVEL SECURITY;

CREATE TABLE public.onboarding_sessions (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    current_step smallint DEFAULT 2 NOT NULL,
    agent_id uuid,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    completed_at timestamp with time zone,
    CONSTRAINT onboarding_sessions_current_step_check CHECK (((current_step >= 2) AND (current_step <= 6)))
);

ALTER TABLE ONLY public.onboarding_sessions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.onboarding_suggestions (
    tenant_id uuid NOT NULL,
    session_id uuid NOT NULL,
    id uuid NOT NULL,
    website text NOT NULL,
    state text DEFAULT 'reading'::text NOT NULL,
    failure_code text,
    failure_values jsonb,
    found jsonb,
    cost_microeur bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    expires_at timestamp with time zone DEFAULT (now() + '1 day'::interval) NOT NULL,
    CONSTRAINT onboarding_suggestions_check CHECK (((state = 'failed'::text) = (failure_code IS NOT NULL))),
    CONSTRAINT onboarding_suggestions_check1 CHECK (((state = 'done'::text) = (found IS NOT NULL))),
    CONSTRAINT onboarding_suggestions_check2 CHECK (((state = 'reading'::text) = (finished_at IS NULL))),
    CONSTRAINT onboarding_suggestions_state_check CHECK ((state = ANY (ARRAY['reading'::text, 'done'::text, 'failed'::text]))),
    CONSTRAINT onboarding_suggestions_website_check CHECK (((length(website) >= 1) AND (length(website) <= 2048)))
);

ALTER TABLE ONLY public.onboarding_suggestions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.opening_hours (
    tenant_id uuid NOT NULL,
    weekday smallint NOT NULL,
    opens time without time zone NOT NULL,
    closes time without time zone NOT NULL,
    CONSTRAINT opening_hours_check CHECK (((opens <> closes) OR (opens = '00:00:00'::time without time zone))),
    CONSTRAINT opening_hours_weekday_check CHECK (((weekday >= 1) AND (weekday <= 7)))
);

ALTER TABLE ONLY public.opening_hours FORCE ROW LEVEL SECURITY;

CREATE TABLE public.password_resets (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    mailed_at timestamp with time zone
);

ALTER TABLE ONLY public.password_resets FORCE ROW LEVEL SECURITY;

CREATE TABLE public.phone_numbers (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    e164 text NOT NULL,
    channel text DEFAULT 'voice'::text NOT NULL,
    agent_id uuid,
    declared_at timestamp with time zone DEFAULT now() NOT NULL,
    verified_at timestamp with time zone,
    active_since timestamp with time zone,
    CONSTRAINT phone_numbers_channel_check CHECK ((channel = ANY (ARRAY['voice'::text, 'sms'::text]))),
    CONSTRAINT phone_numbers_e164_check CHECK ((e164 ~ '^\+[1-9][0-9]{5,14}$'::text))
);

ALTER TABLE ONLY public.phone_numbers FORCE ROW LEVEL SECURITY;

CREATE TABLE public.postings (
    tenant_id uuid NOT NULL,
    lexeme text NOT NULL COLLATE pg_catalog."C",
    chunk_id uuid NOT NULL,
    tf smallint NOT NULL,
    lexeme_count integer NOT NULL,
    agent_ids uuid[] DEFAULT '{}'::uuid[] NOT NULL
);

ALTER TABLE ONLY public.postings FORCE ROW LEVEL SECURITY;

CREATE TABLE public.public_keys (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    key text NOT NULL,
    allowed_origins text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    identity_secret text,
    CONSTRAINT public_keys_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100)))
);

ALTER TABLE ONLY public.public_keys FORCE ROW LEVEL SECURITY;

CREATE TABLE public.rate_limits (
    tenant_id uuid NOT NULL,
    subject text NOT NULL,
    hits timestamp with time zone[] NOT NULL
);

ALTER TABLE ONLY public.rate_limits FORCE ROW LEVEL SECURITY;

CREATE TABLE public.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    phase text DEFAULT 'contract'::text NOT NULL
);

CREATE TABLE public.sessions (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    address text NOT NULL,
    user_agent text NOT NULL
);

ALTER TABLE ONLY public.sessions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.source_agents (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    agent_id uuid NOT NULL
);

ALTER TABLE ONLY public.source_agents FORCE ROW LEVEL SECURITY;

CREATE TABLE public.sources (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    url text,
    filename text,
    media_type text,
    content bytea,
    content_sha256 bytea,
    state text DEFAULT 'waiting'::text NOT NULL,
    failure_code text,
    failure_values jsonb,
    chunks_total integer DEFAULT 0 NOT NULL,
    chunks_done integer DEFAULT 0 NOT NULL,
    requested_generation integer DEFAULT 1 NOT NULL,
    live_generation integer,
    embedding_model text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    ready_at timestamp with time zone,
    held_until timestamp with time zone,
    slot text,
    CONSTRAINT sources_check CHECK (((kind = ANY (ARRAY['page'::text, 'site'::text])) = (url IS NOT NULL))),
    CONSTRAINT sources_kind_check CHECK ((kind = ANY (ARRAY['file'::text, 'text'::text, 'page'::text, 'site'::text, 'faq'::text]))),
    CONSTRAINT sources_slot_check CHECK (((length(slot) >= 1) AND (length(slot) <= 100))),
    CONSTRAINT sources_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'reading'::text, 'embedding'::text, 'ready'::text, 'failed'::text]))),
    CONSTRAINT sources_title_check CHECK (((length(title) >= 1) AND (length(title) <= 300)))
);

ALTER TABLE ONLY public.sources FORCE ROW LEVEL SECURITY;

CREATE TABLE public.staff (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    email text,
    phone text,
    "position" integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT staff_email_check CHECK (((length(email) >= 1) AND (length(email) <= 254))),
    CONSTRAINT staff_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT staff_phone_check CHECK ((phone ~ '^\+[1-9][0-9]{5,14}$'::text))
);

ALTER TABLE ONLY public.staff FORCE ROW LEVEL SECURITY;

CREATE TABLE public.tenant_domains (
    tenant_id uuid NOT NULL,
    host text NOT NULL,
    allowed_origins text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tenant_domains_host_check CHECK (((host = lower(host)) AND ((length(host) >= 1) AND (length(host) <= 253))))
);

ALTER TABLE ONLY public.tenant_domains FORCE ROW LEVEL SECURITY;

CREATE TABLE public.tenants (
    id uuid NOT NULL,
    slug text NOT NULL,
    company_name text NOT NULL,
    sector text DEFAULT 'generaliste'::text NOT NULL,
    email text,
    phone text,
    website text,
    address text,
    locale text DEFAULT 'fr'::text NOT NULL,
    timezone text DEFAULT 'Europe/Paris'::text NOT NULL,
    handoff_email text,
    offer_text text,
    offer_url text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    described_at timestamp with time zone,
    closes_on_public_holidays boolean,
    CONSTRAINT tenants_company_name_check CHECK (((length(company_name) >= 1) AND (length(company_name) <= 200))),
    CONSTRAINT tenants_locale_check CHECK ((locale = ANY (ARRAY['fr'::text, 'en'::text]))),
    CONSTRAINT tenants_slug_check CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
);

ALTER TABLE ONLY public.tenants FORCE ROW LEVEL SECURITY;

CREATE TABLE public.turn_sources (
    tenant_id uuid NOT NULL,
    turn_id uuid NOT NULL,
    "position" smallint NOT NULL,
    chunk_id uuid NOT NULL,
    title text NOT NULL,
    url text,
    score real NOT NULL,
    cited boolean NOT NULL
);

ALTER TABLE ONLY public.turn_sources FORCE ROW LEVEL SECURITY;

CREATE TABLE public.turn_steps (
    tenant_id uuid NOT NULL,
    turn_id uuid NOT NULL,
    "position" smallint NOT NULL,
    step text NOT NULL,
    started_ms integer NOT NULL,
    duration_ms integer NOT NULL,
    CONSTRAINT turn_steps_step_check CHECK ((step = ANY (ARRAY['admit'::text, 'route'::text, 'retrieve'::text, 'generate'::text])))
);

ALTER TABLE ONLY public.turn_steps FORCE ROW LEVEL SECURITY;

CREATE TABLE public.turns (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    seq integer NOT NULL,
    channel text NOT NULL,
    message_key text,
    message_sha256 bytea NOT NULL,
    state text NOT NULL,
    lease_id uuid,
    lease_expires_at timestamp with time zone,
    failure_code text,
    variant text DEFAULT 'candidate'::text NOT NULL,
    agent_id uuid,
    agent_version_id uuid,
    confidence real,
    reason text,
    route_method text,
    route_scores jsonb,
    search_question text,
    best_score real,
    answer_threshold real,
    loop_detected boolean DEFAULT false NOT NULL,
    first_text_ms integer,
    latency_ms integer,
    prompt_tokens integer DEFAULT 0 NOT NULL,
    completion_tokens integer DEFAULT 0 NOT NULL,
    cost_microeur bigint DEFAULT 0 NOT NULL,
    accepted_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT turns_channel_check CHECK ((channel = ANY (ARRAY['chat_v2'::text, 'webhook_v1'::text, 'openai'::text, 'cli'::text]))),
    CONSTRAINT turns_check CHECK (((state = ANY (ARRAY['accepted'::text, 'answering'::text])) = (lease_expires_at IS NOT NULL))),
    CONSTRAINT turns_check1 CHECK (((lease_expires_at IS NULL) OR (lease_id IS NOT NULL))),
    CONSTRAINT turns_check2 CHECK (((state = ANY (ARRAY['accepted'::text, 'answering'::text])) = (finished_at IS NULL))),
    CONSTRAINT turns_check3 CHECK (((state = 'failed'::text) = (failure_code IS NOT NULL))),
    CONSTRAINT turns_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
    CONSTRAINT turns_variant_check CHECK ((variant = ANY (ARRAY['baseline'::text, 'candidate'::text])))
);

ALTER TABLE ONLY public.turns FORCE ROW LEVEL SECURITY;

CREATE TABLE public.user_identities (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    used_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT user_identities_issuer_check CHECK (((length(issuer) >= 1) AND (length(issuer) <= 300))),
    CONSTRAINT user_identities_subject_check CHECK (((length(subject) >= 1) AND (length(subject) <= 255)))
);

ALTER TABLE ONLY public.user_identities FORCE ROW LEVEL SECURITY;

CREATE TABLE public.users (
    id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    password_hash text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_email_check CHECK (((length(email) >= 3) AND (length(email) <= 254))),
    CONSTRAINT users_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200)))
);

ALTER TABLE ONLY public.users FORCE ROW LEVEL SECURITY;

CREATE TABLE public.widget_settings (
    tenant_id uuid NOT NULL,
    color text,
    "position" text,
    greeting_fr text,
    greeting_en text,
    reply_within_minutes integer,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT widget_settings_color_check CHECK ((color ~ '^#[0-9a-f]{6}$'::text)),
    CONSTRAINT widget_settings_greeting_en_check CHECK (((length(greeting_en) >= 1) AND (length(greeting_en) <= 500))),
    CONSTRAINT widget_settings_greeting_fr_check CHECK (((length(greeting_fr) >= 1) AND (length(greeting_fr) <= 500))),
    CONSTRAINT widget_settings_position_check CHECK (("position" = ANY (ARRAY['left'::text, 'right'::text]))),
    CONSTRAINT widget_settings_reply_within_minutes_check CHECK (((reply_within_minutes >= 1) AND (reply_within_minutes <= 43200)))
);

ALTER TABLE ONLY public.widget_settings FORCE ROW LEVEL SECURITY;

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_00 FOR VALUES WITH (modulus 16, remainder 0);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_01 FOR VALUES WITH (modulus 16, remainder 1);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_02 FOR VALUES WITH (modulus 16, remainder 2);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_03 FOR VALUES WITH (modulus 16, remainder 3);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_04 FOR VALUES WITH (modulus 16, remainder 4);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_05 FOR VALUES WITH (modulus 16, remainder 5);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_06 FOR VALUES WITH (modulus 16, remainder 6);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_07 FOR VALUES WITH (modulus 16, remainder 7);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_08 FOR VALUES WITH (modulus 16, remainder 8);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_09 FOR VALUES WITH (modulus 16, remainder 9);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_10 FOR VALUES WITH (modulus 16, remainder 10);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_11 FOR VALUES WITH (modulus 16, remainder 11);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_12 FOR VALUES WITH (modulus 16, remainder 12);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_13 FOR VALUES WITH (modulus 16, remainder 13);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_14 FOR VALUES WITH (modulus 16, remainder 14);

ALTER TABLE ONLY public.chunk_vectors ATTACH PARTITION public.chunk_vectors_15 FOR VALUES WITH (modulus 16, remainder 15);

ALTER TABLE ONLY public.agent_vectors
    ADD CONSTRAINT agent_vectors_pkey PRIMARY KEY (tenant_id, agent_version_id, embedding_model);

ALTER TABLE ONLY public.agent_versions
    ADD CONSTRAINT agent_versions_pkey PRIMARY KEY (id);

ALTER TABLE public.agent_versions
    ADD CONSTRAINT agent_versions_published_number_check CHECK (((published_at IS NULL) OR (number IS NOT NULL))) NOT VALID;

ALTER TABLE ONLY public.agent_versions
    ADD CONSTRAINT agent_versions_tenant_id_agent_id_number_key UNIQUE (tenant_id, agent_id, number);

ALTER TABLE ONLY public.agent_versions
    ADD CONSTRAINT agent_versions_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_tenant_id_key_key UNIQUE (tenant_id, key);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_secret_hash_key UNIQUE (secret_hash);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (subject);

ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.chunk_vectors
    ADD CONSTRAINT chunk_vectors_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_00
    ADD CONSTRAINT chunk_vectors_00_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_01
    ADD CONSTRAINT chunk_vectors_01_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_02
    ADD CONSTRAINT chunk_vectors_02_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_03
    ADD CONSTRAINT chunk_vectors_03_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_04
    ADD CONSTRAINT chunk_vectors_04_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_05
    ADD CONSTRAINT chunk_vectors_05_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_06
    ADD CONSTRAINT chunk_vectors_06_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_07
    ADD CONSTRAINT chunk_vectors_07_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_08
    ADD CONSTRAINT chunk_vectors_08_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_09
    ADD CONSTRAINT chunk_vectors_09_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_10
    ADD CONSTRAINT chunk_vectors_10_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_11
    ADD CONSTRAINT chunk_vectors_11_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_12
    ADD CONSTRAINT chunk_vectors_12_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_13
    ADD CONSTRAINT chunk_vectors_13_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_14
    ADD CONSTRAINT chunk_vectors_14_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunk_vectors_15
    ADD CONSTRAINT chunk_vectors_15_pkey PRIMARY KEY (tenant_id, chunk_id, slot);

ALTER TABLE ONLY public.chunks
    ADD CONSTRAINT chunks_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.chunks
    ADD CONSTRAINT chunks_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.closures
    ADD CONSTRAINT closures_pkey PRIMARY KEY (tenant_id, starts_on);

ALTER TABLE ONLY public.conversation_words
    ADD CONSTRAINT conversation_words_pkey PRIMARY KEY (tenant_id, conversation_id);

ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_tenant_id_external_id_key UNIQUE (tenant_id, external_id);

ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.crawled_pages
    ADD CONSTRAINT crawled_pages_pkey PRIMARY KEY (tenant_id, source_id, "position");

ALTER TABLE ONLY public.crawls
    ADD CONSTRAINT crawls_pkey PRIMARY KEY (tenant_id, source_id);

ALTER TABLE ONLY public.customer_identities
    ADD CONSTRAINT customer_identities_pkey PRIMARY KEY (tenant_id, kind, value);

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.embedded_texts
    ADD CONSTRAINT embedded_texts_pkey PRIMARY KEY (tenant_id, embedding_model, purpose, text_sha256);

ALTER TABLE ONLY public.exam_questions
    ADD CONSTRAINT exam_questions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.exam_questions
    ADD CONSTRAINT exam_questions_tenant_id_exam_id_position_key UNIQUE (tenant_id, exam_id, "position");

ALTER TABLE ONLY public.exam_questions
    ADD CONSTRAINT exam_questions_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.exam_tests
    ADD CONSTRAINT exam_tests_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.exam_tests
    ADD CONSTRAINT exam_tests_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.exam_tests
    ADD CONSTRAINT exam_tests_tenant_id_question_sha256_key UNIQUE (tenant_id, question_sha256);

ALTER TABLE ONLY public.exams
    ADD CONSTRAINT exams_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.exams
    ADD CONSTRAINT exams_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.feedback
    ADD CONSTRAINT feedback_pkey PRIMARY KEY (tenant_id, turn_id);

ALTER TABLE public.handoffs
    ADD CONSTRAINT handoffs_claimed_by_check CHECK (((claimed_by IS NULL) OR (claimed_at IS NOT NULL))) NOT VALID;

ALTER TABLE public.handoffs
    ADD CONSTRAINT handoffs_closed_by_check CHECK (((closed_by IS NULL) OR (closed_at IS NOT NULL))) NOT VALID;

ALTER TABLE ONLY public.handoffs
    ADD CONSTRAINT handoffs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.handoffs
    ADD CONSTRAINT handoffs_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_tenant_id_email_key UNIQUE (tenant_id, email);

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.knowledge_bases
    ADD CONSTRAINT knowledge_bases_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.knowledge_gaps
    ADD CONSTRAINT knowledge_gaps_pkey PRIMARY KEY (id);

ALTER TABLE public.knowledge_gaps
    ADD CONSTRAINT knowledge_gaps_settled_as_check CHECK ((settled_as = ANY (ARRAY['answered'::text, 'dismissed'::text]))) NOT VALID;

ALTER TABLE public.knowledge_gaps
    ADD CONSTRAINT knowledge_gaps_settled_at_check CHECK (((settled_as IS NULL) = (settled_at IS NULL))) NOT VALID;

ALTER TABLE ONLY public.knowledge_gaps
    ADD CONSTRAINT knowledge_gaps_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.knowledge_gaps
    ADD CONSTRAINT knowledge_gaps_tenant_id_question_sha256_key UNIQUE (tenant_id, question_sha256);

ALTER TABLE ONLY public.lexemes
    ADD CONSTRAINT lexemes_pkey PRIMARY KEY (tenant_id, lexeme);

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_pkey PRIMARY KEY (tenant_id, user_id);

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_tenant_id_conversation_id_seq_key UNIQUE (tenant_id, conversation_id, seq);

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE public.messages
    ADD CONSTRAINT messages_user_id_check CHECK (((user_id IS NULL) OR (author = 'person'::text))) NOT VALID;

ALTER TABLE ONLY public.model_calls
    ADD CONSTRAINT model_calls_pkey PRIMARY KEY (tenant_id, turn_id, lease_id, "position");

ALTER TABLE ONLY public.onboarding_events
    ADD CONSTRAINT onboarding_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.onboarding_events
    ADD CONSTRAINT onboarding_events_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.onboarding_sessions
    ADD CONSTRAINT onboarding_sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.onboarding_sessions
    ADD CONSTRAINT onboarding_sessions_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.onboarding_suggestions
    ADD CONSTRAINT onboarding_suggestions_pkey PRIMARY KEY (tenant_id, session_id);

ALTER TABLE ONLY public.onboarding_suggestions
    ADD CONSTRAINT onboarding_suggestions_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.opening_hours
    ADD CONSTRAINT opening_hours_pkey PRIMARY KEY (tenant_id, weekday, opens);

ALTER TABLE ONLY public.password_resets
    ADD CONSTRAINT password_resets_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.password_resets
    ADD CONSTRAINT password_resets_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.phone_numbers
    ADD CONSTRAINT phone_numbers_e164_channel_key UNIQUE (e164, channel);

ALTER TABLE ONLY public.phone_numbers
    ADD CONSTRAINT phone_numbers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.phone_numbers
    ADD CONSTRAINT phone_numbers_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.public_keys
    ADD CONSTRAINT public_keys_key_key UNIQUE (key);

ALTER TABLE ONLY public.public_keys
    ADD CONSTRAINT public_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.public_keys
    ADD CONSTRAINT public_keys_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.rate_limits
    ADD CONSTRAINT rate_limits_pkey PRIMARY KEY (tenant_id, subject);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.source_agents
    ADD CONSTRAINT source_agents_pkey PRIMARY KEY (tenant_id, source_id, agent_id);

ALTER TABLE ONLY public.sources
    ADD CONSTRAINT sources_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.sources
    ADD CONSTRAINT sources_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_tenant_id_name_key UNIQUE (tenant_id, name);

ALTER TABLE ONLY public.tenant_domains
    ADD CONSTRAINT tenant_domains_host_key UNIQUE (host);

ALTER TABLE ONLY public.tenant_domains
    ADD CONSTRAINT tenant_domains_pkey PRIMARY KEY (tenant_id, host);

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.tenants
    ADD CONSTRAINT tenants_slug_key UNIQUE (slug);

ALTER TABLE ONLY public.turn_sources
    ADD CONSTRAINT turn_sources_pkey PRIMARY KEY (tenant_id, turn_id, "position");

ALTER TABLE ONLY public.turn_steps
    ADD CONSTRAINT turn_steps_pkey PRIMARY KEY (tenant_id, turn_id, "position");

ALTER TABLE ONLY public.turns
    ADD CONSTRAINT turns_pkey PRIMARY KEY (id);

ALTER TABLE public.turns
    ADD CONSTRAINT turns_state_check CHECK ((state = ANY (ARRAY['accepted'::text, 'answering'::text, 'answered'::text, 'escalated'::text, 'handed_over'::text, 'interrupted'::text, 'failed'::text]))) NOT VALID;

ALTER TABLE ONLY public.turns
    ADD CONSTRAINT turns_tenant_id_conversation_id_seq_key UNIQUE (tenant_id, conversation_id, seq);

ALTER TABLE ONLY public.turns
    ADD CONSTRAINT turns_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.user_identities
    ADD CONSTRAINT user_identities_issuer_subject_key UNIQUE (issuer, subject);

ALTER TABLE ONLY public.user_identities
    ADD CONSTRAINT user_identities_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_email_key UNIQUE (email);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.widget_settings
    ADD CONSTRAINT widget_settings_pkey PRIMARY KEY (tenant_id);

CREATE UNIQUE INDEX agent_versions_one_draft ON public.agent_versions USING btree (tenant_id, agent_id) WHERE (published_at IS NULL);

CREATE INDEX chunk_vectors_hnsw ON ONLY public.chunk_vectors USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_00_embedding_idx ON public.chunk_vectors_00 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_01_embedding_idx ON public.chunk_vectors_01 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_02_embedding_idx ON public.chunk_vectors_02 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_03_embedding_idx ON public.chunk_vectors_03 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_04_embedding_idx ON public.chunk_vectors_04 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_05_embedding_idx ON public.chunk_vectors_05 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_06_embedding_idx ON public.chunk_vectors_06 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_07_embedding_idx ON public.chunk_vectors_07 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_08_embedding_idx ON public.chunk_vectors_08 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_09_embedding_idx ON public.chunk_vectors_09 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_10_embedding_idx ON public.chunk_vectors_10 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_11_embedding_idx ON public.chunk_vectors_11 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_12_embedding_idx ON public.chunk_vectors_12 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_13_embedding_idx ON public.chunk_vectors_13 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_14_embedding_idx ON public.chunk_vectors_14 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunk_vectors_15_embedding_idx ON public.chunk_vectors_15 USING hnsw (embedding public.halfvec_ip_ops) WITH (m='16', ef_construction='64') WHERE in_graph;

CREATE INDEX chunks_by_document ON public.chunks USING btree (tenant_id, document_id, "position");

CREATE INDEX chunks_by_source ON public.chunks USING btree (tenant_id, source_id) INCLUDE (lexeme_count);

CREATE INDEX conversations_by_customer ON public.conversations USING btree (tenant_id, customer_id);

CREATE INDEX conversations_by_time ON public.conversations USING btree (tenant_id, last_message_at DESC, id DESC);

CREATE INDEX conversations_unkept ON public.conversations USING btree (tenant_id, id) WHERE (words_at IS DISTINCT FROM last_message_at);

CREATE INDEX customer_identities_by_customer ON public.customer_identities USING btree (tenant_id, customer_id);

CREATE INDEX documents_by_source ON public.documents USING btree (tenant_id, source_id, "position");

CREATE INDEX exams_by_age ON public.exams USING btree (tenant_id, id DESC);

CREATE UNIQUE INDEX exams_one_under_way ON public.exams USING btree (tenant_id) WHERE (finished_at IS NULL);

CREATE INDEX handoffs_by_age ON public.handoffs USING btree (tenant_id, id DESC);

CREATE INDEX handoffs_by_conversation ON public.handoffs USING btree (tenant_id, conversation_id);

CREATE UNIQUE INDEX handoffs_one_open ON public.handoffs USING btree (tenant_id, conversation_id) WHERE (closed_at IS NULL);

CREATE INDEX invitations_invited_by ON public.invitations USING btree (invited_by);

CREATE INDEX knowledge_gaps_latest ON public.knowledge_gaps USING btree (tenant_id, last_asked_at DESC, id DESC) WHERE (settled_at IS NULL);

CREATE INDEX knowledge_gaps_most_asked ON public.knowledge_gaps USING btree (tenant_id, asked_count DESC, last_asked_at DESC, id DESC) WHERE (settled_at IS NULL);

CREATE INDEX lexemes_by_ending ON public.lexemes USING btree (tenant_id, reversed);

CREATE INDEX memberships_user ON public.memberships USING btree (user_id);

CREATE INDEX messages_by_person ON public.messages USING btree (tenant_id, user_id) WHERE (user_id IS NOT NULL);

CREATE INDEX messages_of_customers ON public.messages USING btree (tenant_id, conversation_id, seq DESC) WHERE (author = 'customer'::text);

CREATE UNIQUE INDEX messages_one_of_each_author_per_turn ON public.messages USING btree (tenant_id, turn_id, author) WHERE (turn_id IS NOT NULL);

CREATE INDEX onboarding_events_by_session ON public.onboarding_events USING btree (tenant_id, session_id, happened_at);

CREATE INDEX onboarding_events_by_time ON public.onboarding_events USING btree (happened_at);

CREATE INDEX onboarding_sessions_by_completion ON public.onboarding_sessions USING btree (completed_at);

CREATE INDEX onboarding_sessions_by_start ON public.onboarding_sessions USING btree (started_at);

CREATE UNIQUE INDEX onboarding_sessions_one_open ON public.onboarding_sessions USING btree (tenant_id) WHERE (completed_at IS NULL);

CREATE INDEX password_resets_user ON public.password_resets USING btree (user_id);

CREATE UNIQUE INDEX phone_numbers_one_per_agent ON public.phone_numbers USING btree (tenant_id, agent_id, channel) WHERE (agent_id IS NOT NULL);

CREATE INDEX postings_by_chunk ON public.postings USING btree (chunk_id);

CREATE UNIQUE INDEX postings_by_lexeme ON public.postings USING btree (tenant_id, lexeme, chunk_id) INCLUDE (tf, lexeme_count, agent_ids);

CREATE INDEX sessions_membership ON public.sessions USING btree (tenant_id, user_id);

CREATE INDEX sessions_user ON public.sessions USING btree (user_id);

CREATE INDEX source_agents_by_agent ON public.source_agents USING btree (tenant_id, agent_id);

CREATE INDEX sources_by_age ON public.sources USING btree (tenant_id, id DESC);

CREATE UNIQUE INDEX sources_one_per_content ON public.sources USING btree (tenant_id, content_sha256) WHERE (content_sha256 IS NOT NULL);

CREATE UNIQUE INDEX sources_one_per_slot ON public.sources USING btree (tenant_id, slot) WHERE (slot IS NOT NULL);

CREATE UNIQUE INDEX sources_one_per_url ON public.sources USING btree (tenant_id, kind, url) WHERE (url IS NOT NULL);

CREATE INDEX turns_by_agent ON public.turns USING btree (tenant_id, agent_id);

CREATE INDEX turns_figures ON public.turns USING btree (tenant_id, accepted_at) INCLUDE (id, conversation_id, agent_id, state, first_text_ms, latency_ms, prompt_tokens, completion_tokens, cost_microeur);

CREATE UNIQUE INDEX turns_one_answering ON public.turns USING btree (tenant_id, conversation_id) WHERE (state = 'answering'::text);

CREATE UNIQUE INDEX turns_one_per_message_key ON public.turns USING btree (tenant_id, conversation_id, message_key) WHERE (message_key IS NOT NULL);

CREATE INDEX turns_open ON public.turns USING btree (lease_expires_at) WHERE (lease_expires_at IS NOT NULL);

CREATE INDEX turns_open_by_conversation ON public.turns USING btree (tenant_id, conversation_id, seq) WHERE (lease_expires_at IS NOT NULL);

CREATE INDEX user_identities_user ON public.user_identities USING btree (user_id);

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_00_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_00_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_01_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_01_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_02_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_02_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_03_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_03_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_04_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_04_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_05_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_05_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_06_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_06_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_07_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_07_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_08_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_08_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_09_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_09_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_10_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_10_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_11_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_11_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_12_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_12_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_13_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_13_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_14_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_14_pkey;

ALTER INDEX public.chunk_vectors_hnsw ATTACH PARTITION public.chunk_vectors_15_embedding_idx;

ALTER INDEX public.chunk_vectors_pkey ATTACH PARTITION public.chunk_vectors_15_pkey;

ALTER TABLE ONLY public.agent_vectors
    ADD CONSTRAINT agent_vectors_tenant_id_agent_version_id_fkey FOREIGN KEY (tenant_id, agent_version_id) REFERENCES public.agent_versions(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.agent_versions
    ADD CONSTRAINT agent_versions_author_id_fkey FOREIGN KEY (tenant_id, author_id) REFERENCES public.memberships(tenant_id, user_id) ON DELETE SET NULL (author_id) NOT VALID;

ALTER TABLE ONLY public.agent_versions
    ADD CONSTRAINT agent_versions_tenant_id_agent_id_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES public.agents(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_live_version_fkey FOREIGN KEY (tenant_id, live_version_id) REFERENCES public.agent_versions(tenant_id, id);

ALTER TABLE ONLY public.agents
    ADD CONSTRAINT agents_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE public.chunk_vectors
    ADD CONSTRAINT chunk_vectors_tenant_id_chunk_id_fkey FOREIGN KEY (tenant_id, chunk_id) REFERENCES public.chunks(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.chunks
    ADD CONSTRAINT chunks_tenant_id_document_id_fkey FOREIGN KEY (tenant_id, document_id) REFERENCES public.documents(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.chunks
    ADD CONSTRAINT chunks_tenant_id_source_id_fkey FOREIGN KEY (tenant_id, source_id) REFERENCES public.sources(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.closures
    ADD CONSTRAINT closures_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.conversation_words
    ADD CONSTRAINT conversation_words_tenant_id_conversation_id_fkey FOREIGN KEY (tenant_id, conversation_id) REFERENCES public.conversations(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_tenant_id_agent_id_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES public.agents(tenant_id, id) ON DELETE SET NULL (agent_id);

ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.customers(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.crawled_pages
    ADD CONSTRAINT crawled_pages_tenant_id_source_id_fkey FOREIGN KEY (tenant_id, source_id) REFERENCES public.crawls(tenant_id, source_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.crawls
    ADD CONSTRAINT crawls_tenant_id_source_id_fkey FOREIGN KEY (tenant_id, source_id) REFERENCES public.sources(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.customer_identities
    ADD CONSTRAINT customer_identities_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.customers(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_tenant_id_source_id_fkey FOREIGN KEY (tenant_id, source_id) REFERENCES public.sources(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.embedded_texts
    ADD CONSTRAINT embedded_texts_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.exam_questions
    ADD CONSTRAINT exam_questions_tenant_id_exam_id_fkey FOREIGN KEY (tenant_id, exam_id) REFERENCES public.exams(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.exam_tests
    ADD CONSTRAINT exam_tests_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.exams
    ADD CONSTRAINT exams_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.feedback
    ADD CONSTRAINT feedback_tenant_id_turn_id_fkey FOREIGN KEY (tenant_id, turn_id) REFERENCES public.turns(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.handoffs
    ADD CONSTRAINT handoffs_claimed_by_fkey FOREIGN KEY (tenant_id, claimed_by) REFERENCES public.memberships(tenant_id, user_id) ON DELETE SET NULL (claimed_by) NOT VALID;

ALTER TABLE ONLY public.handoffs
    ADD CONSTRAINT handoffs_closed_by_fkey FOREIGN KEY (tenant_id, closed_by) REFERENCES public.memberships(tenant_id, user_id) ON DELETE SET NULL (closed_by) NOT VALID;

ALTER TABLE ONLY public.handoffs
    ADD CONSTRAINT handoffs_tenant_id_conversation_id_fkey FOREIGN KEY (tenant_id, conversation_id) REFERENCES public.conversations(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES public.users(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.knowledge_bases
    ADD CONSTRAINT knowledge_bases_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.knowledge_gaps
    ADD CONSTRAINT knowledge_gaps_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.lexemes
    ADD CONSTRAINT lexemes_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_tenant_id_agent_id_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES public.agents(tenant_id, id) ON DELETE SET NULL (agent_id);

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_tenant_id_conversation_id_fkey FOREIGN KEY (tenant_id, conversation_id) REFERENCES public.conversations(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_tenant_id_turn_id_fkey FOREIGN KEY (tenant_id, turn_id) REFERENCES public.turns(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES public.memberships(tenant_id, user_id) ON DELETE SET NULL (user_id) NOT VALID;

ALTER TABLE ONLY public.model_calls
    ADD CONSTRAINT model_calls_tenant_id_turn_id_fkey FOREIGN KEY (tenant_id, turn_id) REFERENCES public.turns(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.onboarding_events
    ADD CONSTRAINT onboarding_events_tenant_id_session_id_fkey FOREIGN KEY (tenant_id, session_id) REFERENCES public.onboarding_sessions(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.onboarding_sessions
    ADD CONSTRAINT onboarding_sessions_tenant_id_agent_id_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES public.agents(tenant_id, id) ON DELETE SET NULL (agent_id);

ALTER TABLE ONLY public.onboarding_sessions
    ADD CONSTRAINT onboarding_sessions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.onboarding_suggestions
    ADD CONSTRAINT onboarding_suggestions_tenant_id_session_id_fkey FOREIGN KEY (tenant_id, session_id) REFERENCES public.onboarding_sessions(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.opening_hours
    ADD CONSTRAINT opening_hours_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.password_resets
    ADD CONSTRAINT password_resets_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.phone_numbers
    ADD CONSTRAINT phone_numbers_tenant_id_agent_id_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES public.agents(tenant_id, id) ON DELETE SET NULL (agent_id);

ALTER TABLE ONLY public.phone_numbers
    ADD CONSTRAINT phone_numbers_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.postings
    ADD CONSTRAINT postings_tenant_id_chunk_id_fkey FOREIGN KEY (tenant_id, chunk_id) REFERENCES public.chunks(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.public_keys
    ADD CONSTRAINT public_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.rate_limits
    ADD CONSTRAINT rate_limits_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES public.memberships(tenant_id, user_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.source_agents
    ADD CONSTRAINT source_agents_tenant_id_agent_id_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES public.agents(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.source_agents
    ADD CONSTRAINT source_agents_tenant_id_source_id_fkey FOREIGN KEY (tenant_id, source_id) REFERENCES public.sources(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.sources
    ADD CONSTRAINT sources_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.tenant_domains
    ADD CONSTRAINT tenant_domains_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.turn_sources
    ADD CONSTRAINT turn_sources_tenant_id_turn_id_fkey FOREIGN KEY (tenant_id, turn_id) REFERENCES public.turns(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.turn_steps
    ADD CONSTRAINT turn_steps_tenant_id_turn_id_fkey FOREIGN KEY (tenant_id, turn_id) REFERENCES public.turns(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.turns
    ADD CONSTRAINT turns_tenant_id_agent_id_fkey FOREIGN KEY (tenant_id, agent_id) REFERENCES public.agents(tenant_id, id) ON DELETE SET NULL (agent_id);

ALTER TABLE ONLY public.turns
    ADD CONSTRAINT turns_tenant_id_agent_version_id_fkey FOREIGN KEY (tenant_id, agent_version_id) REFERENCES public.agent_versions(tenant_id, id) ON DELETE SET NULL (agent_version_id);

ALTER TABLE ONLY public.turns
    ADD CONSTRAINT turns_tenant_id_conversation_id_fkey FOREIGN KEY (tenant_id, conversation_id) REFERENCES public.conversations(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.user_identities
    ADD CONSTRAINT user_identities_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.widget_settings
    ADD CONSTRAINT widget_settings_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

ALTER TABLE public.agent_vectors ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.agent_versions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.agents ENABLE ROW LEVEL SECURITY;

CREATE POLICY anybody ON public.attempts TO coccinelle_user USING (true) WITH CHECK (true);

ALTER TABLE public.api_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.attempts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.audit_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_00 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_01 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_02 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_03 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_04 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_05 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_06 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_07 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_08 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_09 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_10 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_11 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_12 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_13 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_14 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunk_vectors_15 ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.chunks ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.closures ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.conversation_words ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.conversations ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.crawled_pages ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.crawls ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.customer_identities ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY;

CREATE POLICY directory_lookup ON public.api_keys FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.conversations FOR SELECT TO coccinelle_directory USING ((words_at IS DISTINCT FROM last_message_at));

CREATE POLICY directory_lookup ON public.invitations FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.knowledge_bases FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.memberships FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.onboarding_events FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.onboarding_sessions FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.password_resets FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.phone_numbers FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.public_keys FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.sessions FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.tenant_domains FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.tenants FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.turns FOR SELECT TO coccinelle_directory USING ((lease_expires_at IS NOT NULL));

CREATE POLICY directory_lookup ON public.user_identities FOR SELECT TO coccinelle_directory USING (true);

CREATE POLICY directory_lookup ON public.users FOR SELECT TO coccinelle_directory USING (true);

ALTER TABLE public.documents ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.embedded_texts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.exam_questions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.exam_tests ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.exams ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.feedback ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.handoffs ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.invitations ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.knowledge_bases ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.knowledge_gaps ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.lexemes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.memberships ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.messages ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.model_calls ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.onboarding_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.onboarding_sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.onboarding_suggestions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.opening_hours ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON public.memberships FOR SELECT TO coccinelle_user USING ((user_id = ( SELECT public.app_user() AS app_user)));

CREATE POLICY own ON public.password_resets TO coccinelle_user USING ((user_id = ( SELECT public.app_user() AS app_user))) WITH CHECK ((user_id = ( SELECT public.app_user() AS app_user)));

CREATE POLICY own ON public.sessions TO coccinelle_user USING ((user_id = ( SELECT public.app_user() AS app_user))) WITH CHECK ((user_id = ( SELECT public.app_user() AS app_user)));

CREATE POLICY own ON public.user_identities TO coccinelle_user USING ((user_id = ( SELECT public.app_user() AS app_user))) WITH CHECK ((user_id = ( SELECT public.app_user() AS app_user)));

CREATE POLICY own ON public.users TO coccinelle_user USING ((id = ( SELECT public.app_user() AS app_user))) WITH CHECK ((id = ( SELECT public.app_user() AS app_user)));

ALTER TABLE public.password_resets ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.phone_numbers ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.postings ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.public_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.rate_limits ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.source_agents ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.sources ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.staff ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tenant_domains ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_draft_delete ON public.agent_versions FOR DELETE TO coccinelle_app USING (((tenant_id = ( SELECT public.app_tenant() AS app_tenant)) AND (published_at IS NULL)));

CREATE POLICY tenant_draft_update ON public.agent_versions FOR UPDATE TO coccinelle_app USING (((tenant_id = ( SELECT public.app_tenant() AS app_tenant)) AND (published_at IS NULL))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_insert ON public.agent_versions FOR INSERT TO coccinelle_app WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.agent_vectors TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.agent_versions FOR SELECT TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.agents TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.api_keys TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.audit_events TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.chunk_vectors TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.chunks TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.closures TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.conversation_words TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.conversations TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.crawled_pages TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.crawls TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.customer_identities TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.customers TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.documents TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.embedded_texts TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.exam_questions TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.exam_tests TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.exams TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.feedback TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.handoffs TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.invitations TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.knowledge_bases TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.knowledge_gaps TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.lexemes TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.memberships TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.messages TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.model_calls TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.onboarding_events TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.onboarding_sessions TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.onboarding_suggestions TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.opening_hours TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.phone_numbers TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.postings TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.public_keys TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.rate_limits TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.sessions TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.source_agents TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.sources TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.staff TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.tenant_domains TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.tenants TO coccinelle_app USING ((id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.turn_sources TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.turn_steps TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.turns TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

CREATE POLICY tenant_isolation ON public.users FOR SELECT TO coccinelle_app USING ((EXISTS ( SELECT
   FROM public.memberships m
  WHERE ((m.user_id = users.id) AND (m.tenant_id = ( SELECT public.app_tenant() AS app_tenant))))));

CREATE POLICY tenant_isolation ON public.widget_settings TO coccinelle_app USING ((tenant_id = ( SELECT public.app_tenant() AS app_tenant))) WITH CHECK ((tenant_id = ( SELECT public.app_tenant() AS app_tenant)));

ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.turn_sources ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.turn_steps ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.turns ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.user_identities ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.widget_settings ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA public TO coccinelle_app;
GRANT USAGE ON SCHEMA public TO coccinelle_directory;
GRANT USAGE ON SCHEMA public TO coccinelle_worker;
GRANT USAGE ON SCHEMA public TO coccinelle_user;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.agent_vectors TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.agent_versions TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.agents TO coccinelle_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.api_keys TO coccinelle_app;

GRANT SELECT(id) ON TABLE public.api_keys TO coccinelle_directory;

GRANT SELECT(tenant_id) ON TABLE public.api_keys TO coccinelle_directory;

GRANT SELECT(scopes) ON TABLE public.api_keys TO coccinelle_directory;

GRANT SELECT(secret_hash) ON TABLE public.api_keys TO coccinelle_directory;

GRANT SELECT(revoked_at) ON TABLE public.api_keys TO coccinelle_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.attempts TO coccinelle_user;

GRANT SELECT,INSERT ON TABLE public.audit_events TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.chunk_vectors TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.chunks TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.closures TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.conversation_words TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.conversations TO coccinelle_app;

GRANT SELECT(tenant_id) ON TABLE public.conversations TO coccinelle_directory;

GRANT SELECT(last_message_at) ON TABLE public.conversations TO coccinelle_directory;

GRANT SELECT(words_at) ON TABLE public.conversations TO coccinelle_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.crawled_pages TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.crawls TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.customer_identities TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.customers TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.documents TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.embedded_texts TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.exam_questions TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.exam_tests TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.exams TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.feedback TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.handoffs TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.invitations TO coccinelle_app;

GRANT SELECT(id) ON TABLE public.invitations TO coccinelle_directory;

GRANT SELECT(tenant_id) ON TABLE public.invitations TO coccinelle_directory;

GRANT SELECT(email) ON TABLE public.invitations TO coccinelle_directory;

GRANT SELECT(token_hash) ON TABLE public.invitations TO coccinelle_directory;

GRANT SELECT(expires_at) ON TABLE public.invitations TO coccinelle_directory;

GRANT SELECT(accepted_at) ON TABLE public.invitations TO coccinelle_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.knowledge_bases TO coccinelle_app;

GRANT SELECT(tenant_id) ON TABLE public.knowledge_bases TO coccinelle_directory;

GRANT SELECT(embedding_model) ON TABLE public.knowledge_bases TO coccinelle_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.knowledge_gaps TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.lexemes TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.memberships TO coccinelle_app;
GRANT SELECT ON TABLE public.memberships TO coccinelle_user;

GRANT SELECT(tenant_id) ON TABLE public.memberships TO coccinelle_directory;

GRANT SELECT(user_id) ON TABLE public.memberships TO coccinelle_directory;

GRANT SELECT(role) ON TABLE public.memberships TO coccinelle_directory;

GRANT SELECT(created_at) ON TABLE public.memberships TO coccinelle_directory;

GRANT SELECT(disabled_at) ON TABLE public.memberships TO coccinelle_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.messages TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.model_calls TO coccinelle_app;

GRANT SELECT,INSERT ON TABLE public.onboarding_events TO coccinelle_app;

GRANT SELECT(session_id) ON TABLE public.onboarding_events TO coccinelle_directory;

GRANT SELECT(step) ON TABLE public.onboarding_events TO coccinelle_directory;

GRANT SELECT(kind) ON TABLE public.onboarding_events TO coccinelle_directory;

GRANT SELECT(happened_at) ON TABLE public.onboarding_events TO coccinelle_directory;

GRANT SELECT,INSERT,UPDATE ON TABLE public.onboarding_sessions TO coccinelle_app;

GRANT SELECT(id) ON TABLE public.onboarding_sessions TO coccinelle_directory;

GRANT SELECT(started_at) ON TABLE public.onboarding_sessions TO coccinelle_directory;

GRANT SELECT(completed_at) ON TABLE public.onboarding_sessions TO coccinelle_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.onboarding_suggestions TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.opening_hours TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.password_resets TO coccinelle_user;

GRANT SELECT(id) ON TABLE public.password_resets TO coccinelle_directory;

GRANT SELECT(user_id) ON TABLE public.password_resets TO coccinelle_directory;

GRANT SELECT(token_hash) ON TABLE public.password_resets TO coccinelle_directory;

GRANT SELECT(expires_at) ON TABLE public.password_resets TO coccinelle_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.phone_numbers TO coccinelle_app;

GRANT SELECT(tenant_id) ON TABLE public.phone_numbers TO coccinelle_directory;

GRANT SELECT(e164) ON TABLE public.phone_numbers TO coccinelle_directory;

GRANT SELECT(channel) ON TABLE public.phone_numbers TO coccinelle_directory;

GRANT SELECT(agent_id) ON TABLE public.phone_numbers TO coccinelle_directory;

GRANT SELECT(active_since) ON TABLE public.phone_numbers TO coccinelle_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.postings TO coccinelle_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.public_keys TO coccinelle_app;

GRANT SELECT(id) ON TABLE public.public_keys TO coccinelle_directory;

GRANT SELECT(tenant_id) ON TABLE public.public_keys TO coccinelle_directory;

GRANT SELECT(key) ON TABLE public.public_keys TO coccinelle_directory;

GRANT SELECT(allowed_origins) ON TABLE public.public_keys TO coccinelle_directory;

GRANT SELECT(revoked_at) ON TABLE public.public_keys TO coccinelle_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rate_limits TO coccinelle_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.sessions TO coccinelle_user;

GRANT SELECT(id) ON TABLE public.sessions TO coccinelle_directory;

GRANT SELECT(tenant_id) ON TABLE public.sessions TO coccinelle_directory;

GRANT SELECT(user_id) ON TABLE public.sessions TO coccinelle_directory;

GRANT SELECT(token_hash) ON TABLE public.sessions TO coccinelle_directory;

GRANT SELECT(created_at) ON TABLE public.sessions TO coccinelle_directory;

GRANT UPDATE(last_seen_at) ON TABLE public.sessions TO coccinelle_user;
GRANT SELECT(last_seen_at) ON TABLE public.sessions TO coccinelle_directory;

GRANT SELECT(expires_at) ON TABLE public.sessions TO coccinelle_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.source_agents TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.sources TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.staff TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.tenant_domains TO coccinelle_app;

GRANT SELECT(tenant_id) ON TABLE public.tenant_domains TO coccinelle_directory;

GRANT SELECT(host) ON TABLE public.tenant_domains TO coccinelle_directory;

GRANT SELECT(allowed_origins) ON TABLE public.tenant_domains TO coccinelle_directory;

GRANT SELECT,INSERT,UPDATE ON TABLE public.tenants TO coccinelle_app;

GRANT SELECT(id) ON TABLE public.tenants TO coccinelle_directory;

GRANT SELECT(slug) ON TABLE public.tenants TO coccinelle_directory;

GRANT SELECT(company_name) ON TABLE public.tenants TO coccinelle_directory;

GRANT SELECT(created_at) ON TABLE public.tenants TO coccinelle_directory;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.turn_sources TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.turn_steps TO coccinelle_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.turns TO coccinelle_app;

GRANT SELECT(id) ON TABLE public.turns TO coccinelle_directory;

GRANT SELECT(tenant_id) ON TABLE public.turns TO coccinelle_directory;

GRANT SELECT(lease_expires_at) ON TABLE public.turns TO coccinelle_directory;

GRANT SELECT,INSERT,DELETE ON TABLE public.user_identities TO coccinelle_user;

GRANT SELECT(id) ON TABLE public.user_identities TO coccinelle_directory;

GRANT SELECT(user_id) ON TABLE public.user_identities TO coccinelle_directory;

GRANT SELECT(issuer) ON TABLE public.user_identities TO coccinelle_directory;

GRANT SELECT(subject) ON TABLE public.user_identities TO coccinelle_directory;

GRANT UPDATE(used_at) ON TABLE public.user_identities TO coccinelle_user;

GRANT SELECT,INSERT ON TABLE public.users TO coccinelle_user;

GRANT SELECT(id) ON TABLE public.users TO coccinelle_app;
GRANT SELECT(id) ON TABLE public.users TO coccinelle_directory;

GRANT SELECT(email) ON TABLE public.users TO coccinelle_app;
GRANT SELECT(email) ON TABLE public.users TO coccinelle_directory;

GRANT SELECT(name) ON TABLE public.users TO coccinelle_app;
GRANT UPDATE(name) ON TABLE public.users TO coccinelle_user;
GRANT SELECT(name) ON TABLE public.users TO coccinelle_directory;

GRANT UPDATE(password_hash) ON TABLE public.users TO coccinelle_user;
GRANT SELECT(password_hash) ON TABLE public.users TO coccinelle_directory;

GRANT SELECT(created_at) ON TABLE public.users TO coccinelle_app;
GRANT SELECT(created_at) ON TABLE public.users TO coccinelle_directory;

GRANT SELECT,INSERT,UPDATE ON TABLE public.widget_settings TO coccinelle_app;
