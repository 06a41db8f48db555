-- Orders for a prosody of tests, over HTTP on the loopback: POST /orders/NAME with a form. See prosody.py.
local usermanager = require "core.usermanager";
local formdecode = require "util.http".formdecode;
local st = require "util.stanza";

module:depends("http");
local refusing = {};

local orders = {
	user = function (form) return usermanager.create_user(form.name, form.password, form.host); end;
	password = function (form) return usermanager.set_password(form.name, form.password, form.host); end;
	delete = function (form) return usermanager.delete_user(form.name, form.host); end;
	sessions = function (form)
		local user = prosody.hosts[form.host].sessions[form.name];
		local count = 0;
		for _ in pairs(user and user.sessions or {}) do count = count + 1; end
		return tostring(count);
	end;
	cut = function (form) -- without a word
		local user = prosody.hosts[form.host].sessions[form.name];
		for _, session in pairs(user and user.sessions or {}) do session.conn:close(); end
		return true;
	end;
	refuse = function (form) refusing[form.from] = form; return true; end;
};

module:provides("http", {
	default_path = "/orders";
	route = {
		["POST /*"] = function (event, name)
			local done, why = orders[name](formdecode(event.request.body));
			if not done then return { status_code = 500; body = tostring(why) }; end
			return type(done) == "string" and done or "done";
		end;
	};
});

-- The next message of theirs comes back.
local function refuse(event)
	local form = refusing[event.origin.full_jid and event.origin.full_jid:match("^[^/]+") or ""];
	if not form or not event.stanza:get_child("body") then return; end
	refusing[form.from] = nil;
	event.origin.send(st.error_reply(event.stanza, form.type, form.condition));
	return true;
end
for _, host in ipairs({ "localhost" }) do
	module:context(host):hook("pre-message/bare", refuse, 100);
	module:context(host):hook("pre-message/full", refuse, 100);
end
